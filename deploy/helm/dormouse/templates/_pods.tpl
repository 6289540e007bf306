{{/* What the pods of both tiers have in common. Called with (dict "root" $ "part" TIER). */}}

{{/* How processes trust each other: the Secret that a tier is shown. */}}
{{- define "dormouse.linkSecret" -}}
{{- $links := .root.Values.links -}}
{{- $is_shared := eq $links.trust "secret" -}}
{{- if eq $links.source "existing" -}}
{{- $is_shared | ternary $links.clusterSecret (get $links (printf "%sSecret" .part)) -}}
{{- else -}}
{{- include "dormouse.name" (dict "root" .root "part" ($is_shared | ternary "cluster" (printf "link-%s" .part))) -}}
{{- end -}}
{{- end -}}

{{- define "dormouse.trustEnv" -}}
{{- if eq .root.Values.links.trust "secret" -}}
- name: DORMOUSE_CLUSTER_SECRET
  value: /run/dormouse/link/cluster-secret
{{- if eq .part "statekeeper" }}
- name: DORMOUSE_ADMIN_KEY
  value: /run/dormouse/link/admin-key
{{- end }}
{{- else -}}
- name: DORMOUSE_LINK_CERTIFICATE
  value: /run/dormouse/link/tls.crt
- name: DORMOUSE_LINK_KEY
  value: /run/dormouse/link/tls.key
- name: DORMOUSE_LINK_CA
  value: /run/dormouse/link/ca.crt
{{- end }}
{{- end -}}

{{- define "dormouse.authEnv" -}}
{{- with .root.Values.auth -}}
{{- if ne .algorithm "none" }}
- name: DORMOUSE_AUTH_ALGORITHM
  value: {{ .algorithm }}
- name: DORMOUSE_AUTH_KEY
  value: /run/dormouse/auth/{{ .key }}
{{- if and .signingKey (eq $.part "statekeeper") }}
- name: DORMOUSE_AUTH_SIGNING_KEY
  value: /run/dormouse/auth/{{ .signingKey }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "dormouse.secretMounts" -}}
- {name: link, mountPath: /run/dormouse/link, readOnly: true}
{{- if ne .root.Values.auth.algorithm "none" }}
- {name: auth, mountPath: /run/dormouse/auth, readOnly: true}
{{- end }}
{{- end -}}

{{/* Keys are named, so that a pod waits for a Secret that is there and not filled yet. */}}
{{- define "dormouse.secretVolumes" -}}
- name: link
  secret:
    secretName: {{ include "dormouse.linkSecret" . }}
    defaultMode: 0440
    items:
      {{- if eq .root.Values.links.trust "secret" }}
      - {key: cluster-secret, path: cluster-secret}
      {{- if eq .part "statekeeper" }}
      - {key: admin-key, path: admin-key}
      {{- end }}
      {{- else }}
      - {key: tls.crt, path: tls.crt}
      - {key: tls.key, path: tls.key}
      - {key: ca.crt, path: ca.crt}
      {{- end }}
{{- with .root.Values.auth }}
{{- if ne .algorithm "none" }}
- name: auth
  secret:
    secretName: {{ .existingSecret }}
    defaultMode: 0440
    items:
      - {key: {{ .key }}, path: {{ .key }}}
      {{- if and .signingKey (eq $.part "statekeeper") }}
      - {key: {{ .signingKey }}, path: {{ .signingKey }}}
      {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Metadata of a pod. */}}
{{- define "dormouse.podMetadata" -}}
{{- $own := index .root.Values .part -}}
labels:
  {{- include "dormouse.selector" . | nindent 2 }}
  {{- with $own.podLabels }}{{ toYaml . | nindent 2 }}{{ end }}
annotations:
  kubectl.kubernetes.io/default-container: {{ .part }}
  {{- with $own.podAnnotations }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end -}}

{{- define "dormouse.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{- define "dormouse.spread" -}}
{{- $selector := dict "labelSelector" (dict "matchLabels" (include "dormouse.selector" . | fromYaml)) -}}
{{- $constraints := list -}}
{{- range (index .root.Values .part).topologySpread -}}
{{- $constraints = append $constraints (merge (deepCopy .) $selector) -}}
{{- end -}}
{{- with $constraints -}}
topologySpreadConstraints: {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* The beginning of every pod's spec: who it is, and that it needs nothing of Kubernetes. */}}
{{- define "dormouse.podBase" -}}
serviceAccountName: {{ include "dormouse.serviceAccount" .root }}
automountServiceAccountToken: false
# Addresses come from DNS; variables that describe all services of the namespace are only noise.
enableServiceLinks: false
securityContext: {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Both processes say at their admin port whether they live, and whether they are fit for traffic. What hangs is not
     killed in haste: its sockets, or its hubs' memory, go with it. */}}
{{- define "dormouse.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: admin}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: admin}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  periodSeconds: 2
  timeoutSeconds: 3
  failureThreshold: 2
{{- end -}}

{{/* The user of the published image of Redis, where this chart chooses users. */}}
{{- define "dormouse.redisUser" -}}
{{- $context := deepCopy .Values.podSecurityContext -}}
{{- range list "runAsUser" "runAsGroup" "fsGroup" -}}
{{- if hasKey $context . -}}
{{- $_ := set $context . 999 -}}
{{- end -}}
{{- end -}}
{{- toYaml $context -}}
{{- end -}}
