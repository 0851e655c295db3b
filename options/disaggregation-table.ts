// The rows of the table of options for fleets that split requests into prefill and decode.
/* eslint @stylistic/object-property-newline: off -- a table is read by its rows */
import type { OptionSpec } from './spec.ts'

/** Names of policies. */
export const policies = ['cache_aware', 'consistent_hash', 'least_load', 'power_of_two', 'random', 'rendezvous_hash', 'round_robin', 'sticky_least_loaded', 'sticky_until_saturated'] as const

/** In the order of `--help`. */
export const disaggregationTable = [
  {
    name: 'vllm-pd-disaggregation', type: 'switch', default: false, group: 'Disaggregation',
    help: 'Split requests: a worker of one pool computes the prompt, a worker of another makes the tokens.'
  },
  {
    name: 'prefill', type: 'list', format: 'prefill-url', default: [], placeholder: 'URL', group: 'Disaggregation',
    help: 'Base URLs of the workers that compute prompts, each with the port of its bootstrap server behind it where it has one (Mooncake); none is no port.'
  },
  {
    name: 'decode', type: 'list', format: 'url', default: [], placeholder: 'URL', group: 'Disaggregation',
    help: 'Base URLs of the workers that make tokens.'
  },
  {
    name: 'prefill-policy', type: 'choice', choices: policies, default: undefined, placeholder: 'NAME', group: 'Disaggregation',
    help: 'How a prefill worker is chosen; where it is not given, as policy says.'
  },
  {
    name: 'decode-policy', type: 'choice', choices: policies, default: undefined, placeholder: 'NAME', group: 'Disaggregation',
    help: 'How a decode worker is chosen; where it is not given, as policy says.'
  },
  {
    name: 'kv-connector', type: 'choice', choices: ['nixl', 'mooncake', 'moriio', 'p2p-nccl', 'auto'], default: undefined, placeholder: 'NAME', group: 'Disaggregation',
    help: 'What moves the KV cache between workers. auto is as each prefill worker announced itself. Where it is not given: nixl for workers given by URL, auto where they are discovered.'
  },
  {
    name: 'prefill-data-parallel-size', type: 'integer', min: 1, max: 1024, default: undefined, group: 'Disaggregation',
    help: 'Number of data-parallel ranks behind each prefill URL. Where it is not given, each worker is asked for it, and intra-node-data-parallel-size holds for those that do not say.'
  },
  {
    name: 'decode-data-parallel-size', type: 'integer', min: 1, max: 1024, default: undefined, group: 'Disaggregation',
    help: 'The same for decode URLs.'
  },
  {
    name: 'pd-min-uncached-tokens', type: 'integer', min: 0, default: 1024, placeholder: 'TOKENS', group: 'Disaggregation',
    help: 'A request of which the decode worker would have to compute fewer tokens than this, by estimate, is not split; 0 splits every request. The default is measured: see disaggregation.md.'
  },
  {
    name: 'pd-max-prefill-backlog', type: 'number', min: 0, default: 4, placeholder: 'TIMES', group: 'Disaggregation',
    help: 'A request is not split while the least busy prefill worker has more than this many times the tokens before it that the decode worker would have to compute; 0 lets it wait however long. Counts only where not every request is split.'
  },
  {
    name: 'disable-decode-fallback', type: 'switch', default: false, group: 'Disaggregation',
    help: 'Answer with an error where no prefill worker could take a request, instead of letting the decode worker do it all.'
  }
] as const satisfies readonly OptionSpec[]
