// The rows of the table of options about sessions, bounded loads, and the record of decisions.
/* eslint @stylistic/object-property-newline: off -- a table is read by its rows */
import { longest } from './spec.ts'
import type { OptionSpec } from './spec.ts'

/** In the order of `--help`. */
export const routingTable = [
  {
    name: 'session-headers', type: 'list', format: 'header-name', placeholder: 'NAME', group: 'Policy',
    default: [],
    help: 'consistent_hash, rendezvous_hash, sticky_least_loaded, sticky_until_saturated: request headers that name a session, the first one present is taken, in place of those known by themselves, such as x-session-id. Name some where a proxy gives every request an x-request-id, which the hashing policies go by.'
  },
  {
    name: 'hash-balance-factor', type: 'number', min: 0, max: 1000, default: 0, placeholder: 'FACTOR', group: 'Policy',
    help: 'consistent_hash, rendezvous_hash: a worker with more than so many times the mean of requests in flight is passed over, such as 1.25; what is between 0 and 1 counts as 1. 0 is no such bound, as in the Rust router.'
  },
  {
    name: 'session-ttl-secs', type: 'number', exclusiveMin: 0, max: longest, default: 7200, placeholder: 'SECS', group: 'Policy',
    variables: ['VLLM_ROUTER_SLL_SESSION_EXPIRATION_IN_S'],
    help: 'sticky_least_loaded: a session that was not used for so long is over, in seconds. The default is that of the Rust router.'
  },
  {
    name: 'max-sessions', type: 'integer', min: 1, max: 10000000, default: 100000, group: 'Policy',
    help: 'sticky_least_loaded: sessions remembered, about 300 bytes each; the one not used for longest makes room.'
  },
  {
    name: 'decision-ring-size', type: 'integer', min: 0, max: 1000000, default: 1000, placeholder: 'DECISIONS', group: 'Policy',
    help: 'Choices of workers kept for GET /decisions, about 1 KB each; 0 keeps none.'
  },
  {
    name: 'explain-decisions', type: 'switch', default: false, group: 'Policy',
    help: 'Send x-vllm-router-decision with every answer, not only where x-vllm-router-explain asks for it.'
  }
] as const satisfies readonly OptionSpec[]
