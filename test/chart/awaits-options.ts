// Options that examples of the chart use and the table does not have yet. It must be empty in the end: a test says when a row is there.
import type { OptionSpec } from '../../options/spec.ts'

const group = 'Workers'

/** What the rows will be, as far as the chart looks at them. */
export const awaitsOptions: readonly OptionSpec[] = [
  { name: 'service-discovery', type: 'switch', default: false, group, help: '-' },
  { name: 'selector', type: 'list', default: [], group, help: '-' },
  { name: 'prefill-selector', type: 'list', default: [], group, help: '-' },
  { name: 'decode-selector', type: 'list', default: [], group, help: '-' },
  { name: 'service-discovery-namespace', type: 'list', default: [], group, help: '-' },
  { name: 'service-discovery-port', type: 'integer', default: 80, group, help: '-' },
  { name: 'service-discovery-mode', type: 'choice', choices: ['pods', 'endpointslices', 'service-dns'], default: 'pods', group, help: '-' },
  { name: 'service-name', type: 'list', default: [], group, help: '-' },
  { name: 'vllm-pd-disaggregation', type: 'switch', default: false, group, help: '-' },
  { name: 'kv-connector', type: 'choice', choices: ['nixl', 'mooncake', 'moriio'], default: 'nixl', group, help: '-' },
  { name: 'prefill-policy', type: 'string', default: undefined, group, help: '-' },
  { name: 'decode-policy', type: 'string', default: undefined, group, help: '-' },
  { name: 'pd-min-uncached-tokens', type: 'integer', default: 0, group, help: '-' },
  { name: 'vllm-discovery-address', type: 'string', default: undefined, group, help: '-' },
  { name: 'jwt-issuer', type: 'string', default: undefined, group, help: '-' },
  { name: 'jwt-audience', type: 'string', default: undefined, group, help: '-' },
  { name: 'jwks-url', type: 'string', default: undefined, group, help: '-' },
  { name: 'jwt-models-claim', type: 'string', default: undefined, group, help: '-' },
  { name: 'admin-host', type: 'string', default: '127.0.0.1', group, help: '-' },
  { name: 'admin-port', type: 'integer', default: undefined, group, help: '-' },
  { name: 'admin-api-key', type: 'string', secret: true, default: undefined, group, help: '-' },
  { name: 'tls-cert', type: 'string', format: 'path', default: undefined, group, help: '-' },
  { name: 'tls-key', type: 'string', format: 'path', default: undefined, group, help: '-' }
]
