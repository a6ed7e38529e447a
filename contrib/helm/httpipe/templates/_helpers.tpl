{{- define "httpipe.labels" -}}
app.kubernetes.io/name: httpipe
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "httpipe.pipeline" -}}
{{- .Values.pipeline | default (.Files.Get "pipeline.toml") -}}
{{- end -}}
