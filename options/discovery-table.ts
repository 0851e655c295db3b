// The rows of the table about where workers are found: announcements over ZMQ, Kubernetes.
/* eslint @stylistic/object-property-newline: off -- a table is read by its rows */
import { longest } from './spec.ts'
import type { OptionSpec } from './spec.ts'

/** Rows of the groups ZMQ discovery and Kubernetes. */
export const discoveryTable = [
  {
    name: 'vllm-discovery-address', type: 'string', format: 'host-port', default: undefined, placeholder: 'HOST:PORT', group: 'ZMQ discovery',
    help: 'Address to listen on for vLLM workers that announce themselves over ZMQ: those with the P2pNccl or the MoRI-IO connector and their proxy_ip and proxy_port set to it. Whoever reaches it can add workers. Unset is no such listener.'
  },
  {
    name: 'vllm-discovery-max-workers', type: 'integer', min: 1, max: 16384, default: 4096, placeholder: 'WORKERS', group: 'ZMQ discovery',
    help: 'Announced workers known at the same time, data-parallel ranks counted one by one; further ones are refused.'
  },
  {
    name: 'vllm-discovery-allow', type: 'list', format: 'network', default: [], placeholder: 'CIDR', group: 'ZMQ discovery',
    help: 'IP addresses and networks in which the HTTP and ZMQ addresses of announced workers must lie; others are refused, and so are host names. Empty allows any.'
  },

  {
    name: 'service-discovery', type: 'switch', default: false, group: 'Kubernetes',
    help: 'Find workers in Kubernetes, beside those of worker-urls. Cluster and credentials are those of KUBECONFIG, of ~/.kube/config, or of the pod.'
  },
  {
    name: 'service-discovery-mode', type: 'choice', choices: ['pods', 'endpointslices', 'service-dns'], default: 'pods', group: 'Kubernetes',
    help: 'Where workers are read from: pods by their labels, the endpoints of Services, or the DNS records of headless Services, which takes no rights at the API server.'
  },
  {
    name: 'selector', type: 'list', format: 'label', default: [], placeholder: 'KEY=VALUE', group: 'Kubernetes',
    help: 'Labels of workers (with endpointslices: of the slices); one must have all of them.'
  },
  {
    name: 'prefill-selector', type: 'list', format: 'label', default: [], placeholder: 'KEY=VALUE', group: 'Kubernetes',
    help: 'Labels of prefill workers. What also matches another selector is a prefill worker.'
  },
  {
    name: 'decode-selector', type: 'list', format: 'label', default: [], placeholder: 'KEY=VALUE', group: 'Kubernetes',
    help: 'Labels of decode workers.'
  },
  {
    name: 'service-discovery-namespace', type: 'list', format: 'namespace', default: [], placeholder: 'NAME', group: 'Kubernetes',
    help: 'Namespaces to look in. None is all of them, which takes rights in the whole cluster; with service-dns, the namespace the router runs in.'
  },
  {
    name: 'service-discovery-port', type: 'string', format: 'port', default: '80', placeholder: 'PORT', group: 'Kubernetes',
    help: "Port of the workers: a number, or the name of a container port (of a port of the Service with the other modes). A pod's annotation vllm.ai/port counts more. vLLM itself listens on 8000; the default is the Rust router's."
  },
  {
    name: 'service-name', type: 'list', format: 'service', default: [], placeholder: 'NAME', group: 'Kubernetes',
    help: 'Services whose endpoints or DNS records are followed, with endpointslices and service-dns.'
  },
  {
    name: 'service-discovery-resync-secs', type: 'number', exclusiveMin: 0, max: longest, default: 60, placeholder: 'SECS', group: 'Kubernetes',
    help: 'Pause between whole lists, in seconds, give or take a tenth. Changes are followed as they happen; a list finds what a watch lost.'
  }
] as const satisfies readonly OptionSpec[]
