{{/* Rules of NetworkPolicies that several have. */}}

{{- define "dormouse.toDns" -}}
- to: {{- toYaml .Values.networkPolicy.dns | nindent 4 }}
  ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
{{- end -}}

{{/* To an admin port: (dict "root" $ "port" 8081). Without anybody in `from` a rule would let in everybody. */}}
{{- define "dormouse.fromMonitoring" -}}
{{- with .root.Values.networkPolicy.monitoring -}}
- ports: [{protocol: TCP, port: {{ $.port }}}]
  from: {{- toYaml . | nindent 4 }}
{{- end }}
{{- end -}}
