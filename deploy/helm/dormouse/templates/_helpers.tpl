{{/* Names and labels. Parts are called with (dict "root" $ "part" "gateway"). */}}

{{- define "dormouse.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains "dormouse" .Release.Name -}}
{{- .Release.Name -}}
{{- else -}}
{{- printf "%s-dormouse" .Release.Name -}}
{{- end -}}
{{- end -}}

{{- define "dormouse.name" -}}
{{- printf "%s-%s" (include "dormouse.fullname" .root) .part -}}
{{- end -}}

{{- define "dormouse.selector" -}}
app.kubernetes.io/name: dormouse
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "dormouse.labels" -}}
{{ include "dormouse.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name (replace "+" "_" .root.Chart.Version) }}
{{- end -}}

{{/* name, namespace and labels of an object. */}}
{{- define "dormouse.metadata" -}}
name: {{ include "dormouse.name" . }}
namespace: {{ .root.Release.Namespace }}
labels: {{- include "dormouse.labels" . | nindent 2 }}
{{- end -}}

{{- define "dormouse.imageOf" -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository .tag -}}
{{- end -}}
{{- end -}}

{{- define "dormouse.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion -}}
{{- include "dormouse.imageOf" (merge (dict "tag" $tag) .Values.image) -}}
{{- end -}}

{{- define "dormouse.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "dormouse.fullname" .) -}}
{{- end -}}

{{/* The address that all interfaces have together, and that of this pod as others call it. */}}
{{- define "dormouse.anywhere" -}}
{{- eq .Values.ipFamily "IPv6" | ternary "[::]" "0.0.0.0" -}}
{{- end -}}
{{- define "dormouse.podAddress" -}}
{{- eq .Values.ipFamily "IPv6" | ternary "[$(POD_IP)]" "$(POD_IP)" -}}
{{- end -}}
