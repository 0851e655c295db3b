{{/* Names, labels, and what several templates must see alike. */}}

{{- define "router.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 53 characters, so that suffixes fit into the 63 that Kubernetes allows. */}}
{{- define "router.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "router.name" . -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "router.selectorLabels" -}}
app.kubernetes.io/name: {{ include "router.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "router.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "router.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "router.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (.tag | default $.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "router.serviceAccountName" -}}
{{- with .Values.serviceAccount -}}
{{- .name | default (ternary (include "router.fullname" $) "default" .create) -}}
{{- end -}}
{{- end -}}

{{/* Where the file of a Secret is mounted. */}}
{{- define "router.secretFolder" -}}
/etc/vllm-router/secrets/{{ . }}
{{- end -}}

{{/* What is known of the router's options: which are secrets, which are files, which a running router takes over. */}}
{{- define "router.facts" -}}
{{- .Files.Get "files/options.json" -}}
{{- end -}}

{{/* An option's value or default: (list $ NAME). */}}
{{- define "router.option" -}}
{{- $name := index . 1 -}}
{{- with index . 0 -}}
{{- if hasKey .Values.options $name -}}{{- get .Values.options $name -}}
{{- else -}}{{- get (include "router.facts" . | fromJson).defaults $name -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The whole options as JSON: those given, files from Secrets, and namespaces where none are named. */}}
{{- define "router.options" -}}
{{- $facts := include "router.facts" . | fromJson -}}
{{- $options := deepCopy .Values.options -}}
{{- range $name, $reference := .Values.secrets -}}
{{- if hasKey $options $name -}}
{{- fail (printf "%s stands in options and in secrets: only one can count" $name) -}}
{{- end -}}
{{- if has $name $facts.files -}}
{{- $_ := set $options $name (printf "%s/%s" (include "router.secretFolder" $reference.name) $reference.key) -}}
{{- end -}}
{{- end -}}
{{- range $name, $_ := $facts.environment -}}
{{- if hasKey $options $name -}}
{{- fail (printf "options.%s is a secret and would be read by everybody who may read ConfigMaps: name a Secret in secrets.%s with name and key" $name $name) -}}
{{- end -}}
{{- end -}}
{{- if include "router.watches" . -}}
{{- if .Values.rbac.allNamespaces -}}
{{- if $options.serviceDiscoveryNamespace -}}
{{- fail "options.serviceDiscoveryNamespace names namespaces and rbac.allNamespaces is on: only one can count" -}}
{{- end -}}
{{- else -}}
{{- $_ := set $options "serviceDiscoveryNamespace" (include "router.namespaces" . | fromJsonArray) -}}
{{- end -}}
{{- end -}}
{{- if $options.logDir -}}
{{- $mounted := false -}}
{{- range .Values.extraVolumeMounts -}}
{{- if hasPrefix (printf "%s/" (trimSuffix "/" (.mountPath | toString))) (printf "%s/" (trimSuffix "/" $options.logDir)) -}}{{- $mounted = true -}}{{- end -}}
{{- end -}}
{{- if not $mounted -}}
{{- fail (printf "options.logDir is %s, and the root file system is read-only: mount a volume there with extraVolumes and extraVolumeMounts" $options.logDir) -}}
{{- end -}}
{{- end -}}
{{- toJson $options -}}
{{- end -}}

{{/* Not empty where the router asks the API server for workers: DNS needs no rights. */}}
{{- define "router.watches" -}}
{{- if and .Values.options.serviceDiscovery (ne (include "router.option" (list . "serviceDiscoveryMode")) "service-dns") -}}true{{- end -}}
{{- end -}}

{{/* The namespaces it looks for workers in, as JSON. */}}
{{- define "router.namespaces" -}}
{{- .Values.options.serviceDiscoveryNamespace | default (list .Release.Namespace) | toJson -}}
{{- end -}}

{{/* The least it must see to find workers. */}}
{{- define "router.rules" -}}
{{- if eq (include "router.option" (list . "serviceDiscoveryMode")) "endpointslices" -}}
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch]
{{- else -}}
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
{{- end -}}
{{- end -}}

{{/* The port that workers register at (ZMQ); empty where they do not. */}}
{{- define "router.discoveryPort" -}}
{{- with .Values.options.vllmDiscoveryAddress -}}{{- regexFind "[0-9]+$" . -}}{{- end -}}
{{- end -}}

{{- define "router.scaled" -}}
{{- if or .Values.autoscaling.enabled .Values.keda.enabled -}}true{{- end -}}
{{- end -}}

{{/* How many routers there are at least. */}}
{{- define "router.replicas" -}}
{{- if .Values.autoscaling.enabled -}}{{- .Values.autoscaling.minReplicas -}}
{{- else if .Values.keda.enabled -}}{{- .Values.keda.minReplicas -}}
{{- else -}}{{- .Values.replicaCount -}}
{{- end -}}
{{- end -}}

{{- define "router.scheme" -}}
{{- ternary "https" "http" (or (hasKey .Values.secrets "tlsCert") (hasKey .Values.options "tlsCert")) -}}
{{- end -}}

{{/* Not empty where clients must show a certificate. */}}
{{- define "router.mutual" -}}
{{- if or (hasKey .Values.secrets "tlsClientCa") (hasKey .Values.options "tlsClientCa") -}}true{{- end -}}
{{- end -}}

{{/* How a probe asks: (list $ PATH). The kubelet has no certificate; where one is asked for, it can only see whether the port is open. */}}
{{- define "router.probe" -}}
{{- $path := index . 1 -}}
{{- with index . 0 -}}
{{- if include "router.mutual" . -}}
tcpSocket: { port: http }
{{- else -}}
httpGet: { path: {{ $path }}, port: http, scheme: {{ include "router.scheme" . | upper }} }
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What cannot work is refused here, where a schema cannot tell. */}}
{{- define "router.check" -}}
{{- if and .Values.autoscaling.enabled .Values.keda.enabled -}}
{{- fail "autoscaling.enabled and keda.enabled are both on: only one can scale the routers" -}}
{{- end -}}
{{- range $name := list "autoscaling" "keda" -}}
{{- with index $.Values $name -}}
{{- if and .enabled (lt (int .maxReplicas) (int .minReplicas)) -}}
{{- fail (printf "%s.maxReplicas is %d and less than %s.minReplicas, which is %d" $name (int .maxReplicas) $name (int .minReplicas)) -}}
{{- end -}}
{{- if and .enabled (not (or .targetCPUUtilizationPercentage .inFlightPerPod .queuedPerPod .extraTriggers)) -}}
{{- fail (printf "%s has nothing to go by: give %s.inFlightPerPod or %s.queuedPerPod" $name $name $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (include "router.discoveryPort" .) (or (gt (int .Values.replicaCount) 1) (include "router.scaled" .)) -}}
{{- fail "options.vllmDiscoveryAddress: workers register at one router only, so there can be no more than one: set replicaCount to 1 and scale by nothing" -}}
{{- end -}}
{{- if and .Values.metrics.podMonitor.enabled .Values.metrics.serviceMonitor.enabled -}}
{{- fail "metrics.podMonitor.enabled and metrics.serviceMonitor.enabled are both on: Prometheus would have every series twice" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.enabled needs httpRoute.parentRefs: the gateways the route belongs to" -}}
{{- end -}}
{{- end -}}
