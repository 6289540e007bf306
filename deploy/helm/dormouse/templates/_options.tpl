{{/* Options of Dormouse as environment variables. A tier is "gateway" or "statekeeper". */}}

{{/* What holds for a tier: its own, and what is for all. */}}
{{- define "dormouse.config" -}}
{{- toYaml (mergeOverwrite (deepCopy .root.Values.config) (index .root.Values .part).config) -}}
{{- end -}}

{{/* A value as an option takes it. YAML's whole numbers may come as fractions. */}}
{{- define "dormouse.value" -}}
{{- if kindIs "slice" . -}}
{{- join "," . -}}
{{- else if and (kindIs "float64" .) (eq (float64 (int64 .)) .) -}}
{{- int64 . -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{- define "dormouse.options" -}}
{{- range $name, $value := include "dormouse.config" . | fromYaml }}
- name: DORMOUSE_{{ $name | upper | replace "-" "_" }}
  value: {{ include "dormouse.value" $value | quote }}
{{- end }}
{{- end -}}

{{/* A duration in whole seconds, rounded up: (dict "option" NAME "text" "10s"). */}}
{{- define "dormouse.seconds" -}}
{{- $text := include "dormouse.value" .text -}}
{{- $number := regexFind "^[0-9]+" $text -}}
{{- $unit := trimPrefix $number $text -}}
{{- if eq $unit "ms" -}}
{{- divf $number 1000 | ceil | int64 -}}
{{- else if and $number (hasKey (dict "s" 1 "m" 60 "h" 3600) $unit) -}}
{{- mul $number (get (dict "s" 1 "m" 60 "h" 3600) $unit) -}}
{{- else if eq $text "0" -}}
0
{{- else -}}
{{- fail (printf "config.%s: %q is no duration; write 500ms, 30s, 5m or 1h" .option $text) -}}
{{- end -}}
{{- end -}}

{{/* The value of a duration option of a tier in seconds: (dict "root" $ "part" TIER "option" NAME "default" "10s"). */}}
{{- define "dormouse.optionSeconds" -}}
{{- $config := include "dormouse.config" . | fromYaml -}}
{{- $text := hasKey $config .option | ternary (get $config .option) .default -}}
{{- include "dormouse.seconds" (dict "option" .option "text" $text) -}}
{{- end -}}

{{/* The least that the pods of a tier need from SIGTERM to their end, in seconds: what it says it takes, 5 s in which the
     last events are settled, and 10 s for a machine that is busy. */}}
{{- define "dormouse.leastGrace" -}}
{{- if eq .part "gateway" -}}
{{- $window := include "dormouse.optionSeconds" (merge (dict "option" "drain-window" "default" "10s") .) -}}
{{- add .root.Values.gateway.preStopSeconds $window 15 -}}
{{- else -}}
{{- $timeout := include "dormouse.optionSeconds" (merge (dict "option" "stop-timeout" "default" "20s") .) -}}
{{- add $timeout 15 -}}
{{- end -}}
{{- end -}}

{{- define "dormouse.grace" -}}
{{- $own := (index .root.Values .part).terminationGracePeriodSeconds -}}
{{- kindIs "invalid" $own | ternary (include "dormouse.leastGrace" .) (include "dormouse.value" $own) -}}
{{- end -}}
