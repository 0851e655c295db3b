// Every value of the Helm chart: values.yaml, values.schema.json and the table of chart/README.md are made from it.
import { optionsSchema, secretsSchema } from './options.ts'
import { choice, flag, labels, part, parts, text, texts, whole } from './value.ts'
import type { Schema, ValueGroup, Values } from './value.ts'

const percentOrCount: Schema = { type: ['integer', 'string'], minimum: 0, pattern: '^[0-9]+%$' }

/** How often and how long a probe asks. */
function probe (help: string, periodSeconds: number, timeoutSeconds: number, failureThreshold: number): ValueGroup {
  return {
    help,
    values: {
      periodSeconds: whole('Seconds between two probes.', periodSeconds, 1),
      timeoutSeconds: whole('Seconds a probe may take.', timeoutSeconds, 1),
      failureThreshold: whole('Failed probes in a row that count.', failureThreshold, 1)
    }
  }
}

const loadPerPod: Values = {
  inFlightPerPod: whole('Requests in flight (vllm_router_in_flight_requests) that one router is to have on average; 0 does not look at them.', 0),
  queuedPerPod: whole('Requests waiting in the queue (vllm_router_queue_depth) that one router is to have on average; 0 does not look at them.', 0)
}

const workload: Values = {
  nameOverride: text('In place of the name of the chart, in names and labels.'),
  fullnameOverride: text('In place of the whole name of every object.'),
  commonLabels: labels('Labels for every object.'),
  image: {
    help: 'The image of the router.',
    values: {
      repository: text('Registry and name. The default is a placeholder: put the name of your own registry or organisation in place of OWNER.', 'ghcr.io/OWNER/fastify-vllm-router', { minLength: 1 }),
      tag: text('Tag; empty is the version of the chart\'s application.'),
      digest: text('Digest, sha256:…; counts more than the tag.', '', { pattern: '^(sha256:[0-9a-f]{64})?$' }),
      pullPolicy: choice('When to pull it.', ['IfNotPresent', 'Always', 'Never'])
    }
  },
  imagePullSecrets: parts('Secrets for the registry, as [{name: …}].'),
  replicaCount: whole('Number of routers, where nothing scales them. Each decides by what it sees itself; two let one fail or be replaced unnoticed.', 2),
  options: {
    help: 'Options of the router by their camelCase names, as in docs/options.md: they become its config file. A change of those that a running router takes over reloads it, a change of any other replaces the pods.',
    default: { host: '0.0.0.0', prometheusHost: '0.0.0.0', drainDelaySecs: 10 },
    schema: optionsSchema()
  },
  secrets: {
    help: 'Options that are secrets, or files, from existing Secrets: {OPTION: {name: SECRET, key: KEY}}. Secrets become variables of the environment, files are mounted.',
    default: {},
    schema: secretsSchema()
  },
  extraEnv: parts('Further variables of the environment, as [{name: …, value: …}].'),
  extraArgs: texts('Further flags of the router; they count more than all else.'),
  extraVolumes: parts('Further volumes of the pod.'),
  extraVolumeMounts: parts('Further mounts of the router\'s container.'),
  shutdownMarginSeconds: whole('Seconds the kubelet waits beyond drainDelaySecs and drainTimeoutSecs before it kills the router.', 10, 5),
  lifecycle: part('Lifecycle hooks of the container. None is needed: the router drains by itself.'),
  strategy: part('How pods are replaced. With a ZMQ discovery address it is Recreate instead.', { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }),
  minReadySeconds: whole('Seconds a new pod must be ready before the next one is replaced.', 0),
  revisionHistoryLimit: whole('Replaced versions of the Deployment that are kept.', 3),
  probes: {
    help: 'Probes; their routes are the router\'s own.',
    values: {
      startup: probe('/liveness, until it answers for the first time.', 1, 2, 60),
      liveness: probe('/liveness: the process answers. A router without workers is alive.', 10, 5, 6),
      readiness: probe('/readiness: a request could be served now.', 5, 3, 2)
    }
  },
  podSecurityContext: part('Security context of the pod.', {
    runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000, seccompProfile: { type: 'RuntimeDefault' }
  }),
  securityContext: part('Security context of the containers.', {
    allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] }
  }),
  resources: part('Requests and limits. No limit on CPU: being throttled would show as latency.', {
    requests: { cpu: '500m', memory: '512Mi' }, limits: { memory: '2Gi' }
  }),
  topologySpread: parts('Topology spread constraints; the label selector is added.', [
    { topologyKey: 'kubernetes.io/hostname', maxSkew: 1, whenUnsatisfiable: 'ScheduleAnyway' },
    { topologyKey: 'topology.kubernetes.io/zone', maxSkew: 1, whenUnsatisfiable: 'ScheduleAnyway' }
  ]),
  affinity: part('Affinity of the pods.'),
  nodeSelector: labels('Labels of the nodes to run on.'),
  tolerations: parts('Taints of nodes that are tolerated.'),
  priorityClassName: text('Priority class of the pods.'),
  podLabels: labels('Labels of the pods.'),
  podAnnotations: labels('Annotations of the pods.')
}

const access: Values = {
  serviceAccount: {
    help: 'The account that the router looks for workers with.',
    values: {
      create: flag('Make one.', true),
      name: text('Its name; empty is the name of the release where one is made, else default.'),
      annotations: labels('Its annotations.')
    }
  },
  rbac: {
    help: 'What the account may see: pods, or endpoint slices, and no more. Only with options.serviceDiscovery.',
    values: {
      create: flag('Make the roles and bindings.', true),
      allNamespaces: flag('Look for workers in all namespaces, by a ClusterRole. Else in options.serviceDiscoveryNamespace, or that of the release, by a Role in each.')
    }
  },
  podDisruptionBudget: {
    help: 'How many routers a drain of nodes may take at a time. Made where there is more than one.',
    values: {
      enabled: flag('Make it.', true),
      maxUnavailable: { help: 'Number or percentage.', default: 1, schema: percentOrCount }
    }
  },
  networkPolicy: {
    help: 'Who may connect to the routers, and whom they may connect to.',
    values: {
      enabled: flag('Make it: then only the ports of the API and of metrics are open.', true),
      from: parts('Peers that may use the API; none listed is everybody.'),
      metricsFrom: parts('Peers that may read metrics; none listed is everybody.'),
      adminFrom: parts('Peers that may use the admin listener (options.adminPort); none listed is nobody.'),
      egress: {
        help: 'Connections out of the routers.',
        values: {
          enabled: flag('Restrict them to name servers, the API server (with discovery), and what is listed here.'),
          workers: parts('Peers that are workers; none listed is every pod of the namespace.'),
          workerPorts: { help: 'Ports of the workers.', default: [8000], schema: { type: 'array', minItems: 1, items: { type: 'integer', minimum: 1, maximum: 65535 } } },
          extra: parts('Further egress rules: an identity provider, a Prometheus, …')
        }
      }
    }
  }
}

const traffic: Values = {
  service: {
    help: 'The Service that clients use.',
    values: {
      type: choice('Its type.', ['ClusterIP', 'NodePort', 'LoadBalancer']),
      port: whole('Its port.', 80, 1, { maximum: 65535 }),
      annotations: labels('Its annotations.'),
      ipFamilyPolicy: choice('Address families; for both, set options.host and options.prometheusHost to "::".', ['', 'SingleStack', 'PreferDualStack', 'RequireDualStack']),
      extra: part('Further fields of its spec: loadBalancerClass, trafficDistribution, …')
    }
  },
  ingress: {
    help: 'An Ingress.',
    values: {
      enabled: flag('Make it.'),
      className: text('Its class.'),
      annotations: labels('Its annotations. Streams need a proxy that does not buffer and waits long: see docs/kubernetes-deploy.md.'),
      hosts: texts('Host names; none is every one.'),
      paths: texts('Path prefixes that are let in. The default leaves the router\'s admin routes out.', ['/v1'], { pattern: '^/' }),
      tls: parts('TLS, as [{secretName: …, hosts: […]}].')
    }
  },
  httpRoute: {
    help: 'An HTTPRoute of the Gateway API.',
    values: {
      enabled: flag('Make it.'),
      parentRefs: parts('Gateways, as [{name: …, namespace: …}].'),
      hostnames: texts('Host names; none is every one of the gateway.'),
      paths: texts('Path prefixes that are let in. The default leaves the router\'s admin routes out.', ['/v1'], { pattern: '^/' }),
      annotations: labels('Its annotations.'),
      timeouts: part('Timeouts of its rule. 0s is none: a stream may last long, and the router has limits of its own.', { request: '0s' })
    }
  }
}

const scaling: Values = {
  autoscaling: {
    help: 'A HorizontalPodAutoscaler.',
    values: {
      enabled: flag('Make it.'),
      minReplicas: whole('Fewest routers.', 2, 1),
      maxReplicas: whole('Most routers.', 6, 1),
      targetCPUUtilizationPercentage: whole('CPU in percent of the request that one router is to use on average; 0 does not look at it.', 70),
      ...loadPerPod,
      behavior: part('How fast to scale. By default one router less in a minute, after five quiet minutes: each takes what it has learned of caches with it.', {
        scaleDown: { stabilizationWindowSeconds: 300, policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }] }
      })
    }
  },
  keda: {
    help: 'A ScaledObject of KEDA, which asks Prometheus. Not together with autoscaling.',
    values: {
      enabled: flag('Make it.'),
      minReplicas: whole('Fewest routers.', 2, 1),
      maxReplicas: whole('Most routers.', 6, 1),
      prometheusAddress: text('URL of Prometheus.', 'http://prometheus-operated.monitoring:9090', { pattern: '^https?://' }),
      ...loadPerPod,
      queuedPerPod: whole('Requests waiting in the queue (vllm_router_queue_depth) that one router is to have on average; 0 does not look at them.', 10),
      pollingInterval: whole('Seconds between two looks.', 15, 1),
      authenticationRef: text('Name of a TriggerAuthentication for Prometheus.'),
      behavior: part('How fast to scale, as in autoscaling.', {
        scaleDown: { stabilizationWindowSeconds: 300, policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }] }
      }),
      extraTriggers: parts('Further triggers.')
    }
  }
}

const monitor: Values = {
  enabled: flag('Make it.'),
  interval: text('Pause between two scrapes; empty is that of Prometheus.', '', { pattern: '^([0-9]+(ms|[smhdwy]))*$' }),
  labels: labels('Labels by which Prometheus finds it.'),
  relabelings: parts('Relabelings of the target.'),
  metricRelabelings: parts('Relabelings of the metrics.')
}

const monitoring: Values = {
  metrics: {
    help: 'What Prometheus and Grafana need.',
    values: {
      podMonitor: { help: 'A PodMonitor of the Prometheus operator.', values: monitor },
      serviceMonitor: { help: 'A ServiceMonitor, with a headless Service for the metrics port. Not together with a PodMonitor: every series would be there twice.', values: monitor },
      rules: {
        help: 'Alerts, as a PrometheusRule.',
        values: {
          enabled: flag('Make it.'),
          labels: labels('Labels by which Prometheus finds it.'),
          disabled: texts('Alerts to leave out, by name.'),
          extra: parts('Further groups of rules.')
        }
      },
      dashboard: {
        help: 'A dashboard, as a ConfigMap for the sidecar of Grafana.',
        values: {
          enabled: flag('Make it.'),
          labels: labels('Labels by which the sidecar finds it.', { grafana_dashboard: '1' }),
          annotations: labels('Annotations, such as the folder.')
        }
      }
    }
  }
}

/** All of them, in the order of values.yaml. */
export const values: Values = { ...workload, ...access, ...traffic, ...scaling, ...monitoring }
