{{/* The Job that makes secrets, and which of them it is to make: part by the variable that tells the Job its name. */}}

{{- define "dormouse.madeSecrets" -}}
{{- if eq .Values.links.source "job" -}}
{{- if eq .Values.links.trust "certificates" }}
LINK_CA: link-ca
LINK_GATEWAY: link-gateway
LINK_STATEKEEPER: link-statekeeper
{{- else }}
CLUSTER: cluster
{{- end }}
{{- end }}
{{- if .Values.redis.enabled }}
REDIS: redis
{{- end }}
{{- end -}}

{{- define "dormouse.credentialsSpec" -}}
{{- $at := dict "root" . "part" "credentials" -}}
{{- with .Values.credentials -}}
# A pod that failed is tried again; the end of it all is soon enough for a look at its log.
backoffLimit: 10
activeDeadlineSeconds: 900
# It goes when it is done, and the next upgrade makes it anew.
ttlSecondsAfterFinished: 300
template:
  metadata:
    labels:
      {{- include "dormouse.selector" $at | nindent 6 }}
      {{- with .podLabels }}{{ toYaml . | nindent 6 }}{{ end }}
    {{- with .podAnnotations }}
    annotations: {{- toYaml . | nindent 6 }}
    {{- end }}
  spec:
    restartPolicy: Never
    serviceAccountName: {{ include "dormouse.name" $at }}
    automountServiceAccountToken: true
    enableServiceLinks: false
    securityContext: {{- toYaml $.Values.podSecurityContext | nindent 6 }}
    {{- with $.Values.imagePullSecrets }}
    imagePullSecrets: {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with include "dormouse.placement" . | trim }}{{ . | nindent 4 }}{{ end }}
    containers:
      - name: credentials
        image: {{ include "dormouse.image" $ }}
        imagePullPolicy: {{ $.Values.image.pullPolicy }}
        command: [bash, /opt/dormouse/credentials.sh]
        env:
          {{- range $variable, $part := include "dormouse.madeSecrets" $ | fromYaml }}
          - name: {{ $variable }}
            value: {{ include "dormouse.name" (dict "root" $ "part" $part) }}
          {{- end }}
          - name: DAYS
            value: {{ include "dormouse.value" $.Values.links.days | quote }}
          - name: RENEW_BEFORE_DAYS
            value: {{ include "dormouse.value" $.Values.links.renewBeforeDays | quote }}
        resources: {{- toYaml .resources | nindent 10 }}
        securityContext: {{- toYaml $.Values.containerSecurityContext | nindent 10 }}
        volumeMounts:
          - {name: program, mountPath: /opt/dormouse, readOnly: true}
          - {name: tmp, mountPath: /tmp}
    volumes:
      - name: program
        configMap: {name: {{ include "dormouse.name" $at }}}
      - name: tmp
        emptyDir: {medium: Memory, sizeLimit: 8Mi}
{{- end }}
{{- end -}}
