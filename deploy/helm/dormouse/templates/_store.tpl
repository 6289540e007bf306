{{/* Where the state is: the Redis of the chart, or store.url. */}}

{{- define "dormouse.storeUrl" -}}
{{- $redis := include "dormouse.name" (dict "root" . "part" "redis") -}}
{{- .Values.redis.enabled | ternary (printf "redis://%s:6379" $redis) .Values.store.url -}}
{{- end -}}

{{- define "dormouse.storeSecret" -}}
{{- $redis := include "dormouse.name" (dict "root" . "part" "redis") -}}
{{- .Values.redis.enabled | ternary $redis .Values.store.existingSecret -}}
{{- end -}}

{{/* What the Secret has: option by key. */}}
{{- define "dormouse.storeKeys" -}}
{{- if .Values.redis.enabled -}}
STORE_PASSWORD_FILE: password
{{- else if .Values.store.existingSecret -}}
{{- with .Values.store -}}
{{- $keys := dict
  "STORE_PASSWORD_FILE" .passwordKey
  "STORE_SENTINEL_PASSWORD_FILE" .sentinelPasswordKey
  "STORE_CA" .caKey
  "STORE_CERTIFICATE" .certificateKey
  "STORE_KEY" .privateKeyKey -}}
{{- range $option, $key := $keys }}
{{- if $key }}
{{ $option }}: {{ $key }}
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "dormouse.storeEnv" -}}
- name: DORMOUSE_STORE
  value: {{ include "dormouse.storeUrl" . | quote }}
{{- range $option, $key := include "dormouse.storeKeys" . | fromYaml }}
- name: DORMOUSE_{{ $option }}
  value: /run/dormouse/store/{{ $key }}
{{- end }}
{{- end -}}

{{- define "dormouse.storeItems" -}}
{{- range $option, $key := include "dormouse.storeKeys" . | fromYaml }}
- {key: {{ $key }}, path: {{ $key }}}
{{- end }}
{{- end -}}
