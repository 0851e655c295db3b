// Options that examples of the chart use and the table does not have yet. It must be empty in the end: a test says when a row is there.
import type { OptionFormat, OptionSpec } from '../../options/spec.ts'

const group = 'Workers'
const help = '-'
const list = { type: 'list', default: [], group, help } as const
const text = { type: 'string', default: undefined, group, help } as const
const off = { type: 'switch', default: false, group, help } as const
/** A format that is not there yet. */
const coming = (format: string): OptionFormat => format as OptionFormat

/** What the rows will be, as far as the chart looks at them. */
export const awaitsOptions: readonly OptionSpec[] = [
  { name: 'service-discovery', ...off },
  { name: 'service-discovery-mode', type: 'choice', choices: ['pods', 'endpointslices', 'service-dns'], default: 'pods', group, help },
  { name: 'selector', ...list, format: coming('label') },
  { name: 'prefill-selector', ...list, format: coming('label') },
  { name: 'decode-selector', ...list, format: coming('label') },
  { name: 'service-discovery-namespace', ...list, format: coming('namespace') },
  { name: 'service-discovery-port', type: 'string', format: coming('port'), default: '80', group, help },
  { name: 'service-name', ...list },
  { name: 'vllm-pd-disaggregation', ...off },
  { name: 'kv-connector', type: 'choice', choices: ['nixl', 'mooncake', 'moriio'], default: 'nixl', group, help },
  { name: 'prefill-policy', ...text },
  { name: 'decode-policy', ...text },
  { name: 'pd-min-uncached-tokens', type: 'integer', default: 0, group, help },
  { name: 'vllm-discovery-address', ...text, format: coming('host-port') },
  { name: 'jwt-issuer', ...text },
  { name: 'jwt-audience', ...list },
  { name: 'jwks-url', ...text, format: coming('service-url') },
  { name: 'jwt-models-claim', ...text },
  { name: 'admin-host', type: 'string', format: 'hostname', default: '127.0.0.1', group, help },
  { name: 'admin-port', type: 'integer', default: undefined, group, help },
  { name: 'admin-api-key', ...text, secret: true },
  { name: 'tls-cert', ...text, format: 'path' },
  { name: 'tls-key', ...text, format: 'path' },
  { name: 'tls-client-ca', ...text, format: 'path' }
]
