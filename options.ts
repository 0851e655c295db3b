// The one table of every option: flags, environment names, config file, docs and the type RouterOptions are all made from it.
/* eslint @stylistic/object-property-newline: off -- a table is read by its rows */
import { checkTogether } from './options/check.ts'
import { OptionsError, coerce } from './options/coerce.ts'
import { camelCase, type CamelCase, type OptionSpec, type OptionValue } from './options/spec.ts'
import { suggest } from './options/suggest.ts'

export { OptionsError } from './options/coerce.ts'
export type { OptionSpec, OptionValue } from './options/spec.ts'

/** The longest time a Node timer can hold (2^31 - 1 ms), in seconds. */
const longest = 2147483

/** Every option, in the order of `--help`. */
export const optionTable = [
  {
    name: 'host', type: 'string', format: 'hostname', default: '127.0.0.1', placeholder: 'ADDRESS', group: 'Server',
    help: 'Address to listen on. The default is reachable from this machine only; 0.0.0.0 or :: is every interface.'
  },
  {
    name: 'port', type: 'integer', min: 0, max: 65535, default: 30000, group: 'Server',
    help: 'Port to listen on; 0 takes any free one.'
  },
  {
    name: 'max-payload-size', type: 'integer', min: 1, max: 4294967296, default: 536870912, placeholder: 'BYTES', group: 'Server',
    help: 'Largest request body in bytes; a larger one is answered with 413.'
  },
  {
    name: 'request-id-headers', type: 'list', format: 'header-name', placeholder: 'NAME', group: 'Server',
    default: ['x-request-id', 'x-correlation-id', 'x-trace-id', 'request-id'],
    help: "Request headers that may carry the client's request id; the first one present is taken, else an id is made."
  },
  {
    name: 'shutdown-grace-secs', type: 'number', min: 0, max: longest, default: 30, placeholder: 'SECS', group: 'Server',
    help: 'Time requests in flight get to finish after SIGTERM, in seconds.'
  },
  {
    name: 'swagger-ui', type: 'switch', default: false, group: 'Server',
    help: "Serve pages that show the OpenAPI description of the router's own routes."
  },
  {
    name: 'allow-client-kv-transfer-params', type: 'switch', default: false, group: 'Server',
    help: 'Forward a top-level kv_transfer_params sent by a client. Without it such a request is refused with 400, because it can kill an engine.'
  },

  {
    name: 'worker-urls', type: 'list', format: 'url', default: [], placeholder: 'URL', group: 'Workers',
    help: 'Base URLs of the vLLM workers; URL@RANK is one data-parallel rank of a worker. May be empty: workers can be added while the router runs.'
  },
  {
    name: 'backend', type: 'choice', choices: ['vllm'], default: 'vllm', aliases: ['runtime'], placeholder: 'NAME', group: 'Workers',
    help: 'What the workers are. Kept for users of the Rust router; its other backends are not supported.'
  },
  {
    name: 'api-key', type: 'string', format: 'token', secret: true, default: undefined, placeholder: 'KEY', group: 'Workers',
    help: "Bearer token the router sends to workers, in health checks too. Better given in the environment, because a machine's process list shows flags."
  },
  {
    name: 'intra-node-data-parallel-size', type: 'integer', min: 1, max: 1024, default: 1, group: 'Workers',
    help: 'Number of data-parallel ranks behind each worker URL; every rank is balanced as a worker of its own.'
  },
  {
    name: 'worker-startup-timeout-secs', type: 'number', exclusiveMin: 0, max: longest, default: 600, placeholder: 'SECS', group: 'Workers',
    help: 'A worker that has not answered for so many seconds since it was added is reported as unhealthy instead of starting; it is probed all the same.'
  },
  {
    name: 'worker-startup-check-interval', type: 'number', exclusiveMin: 0, max: longest, default: 30, placeholder: 'SECS', group: 'Workers',
    help: 'Longest pause between probes of a starting worker, in seconds; pauses begin at 0.2 s and double.'
  },
  {
    name: 'request-timeout-secs', type: 'number', exclusiveMin: 0, max: longest, default: 1800, placeholder: 'SECS', group: 'Workers',
    help: 'Time a worker may take to the first byte of its answer, in seconds. A stream that flows has no deadline.'
  },
  {
    name: 'connect-timeout-secs', type: 'number', exclusiveMin: 0, max: longest, default: 10, placeholder: 'SECS', group: 'Workers',
    help: 'Time a connection to a worker may take to open, in seconds.'
  },
  {
    name: 'pool-idle-timeout-secs', type: 'number', min: 0, max: longest, default: 2, placeholder: 'SECS', group: 'Workers',
    help: "Time an idle connection to a worker is kept for reuse, in seconds; 0 is no reuse. Keep it below the worker's own keep-alive (5 s in uvicorn), or requests meet closed connections."
  },
  {
    name: 'response-affinity-size', type: 'integer', min: 0, default: 100000, group: 'Workers',
    help: 'How many response ids are remembered, so that /v1/responses/{id} goes to the worker that made the response.'
  },

  {
    name: 'health-check-endpoint', type: 'string', format: 'url-path', default: '/health', placeholder: 'PATH', group: 'Health checks',
    help: 'Path asked on every worker to see whether it is well.'
  },
  {
    name: 'health-check-interval-secs', type: 'number', exclusiveMin: 0, max: longest, default: 60, placeholder: 'SECS', group: 'Health checks',
    help: 'Pause between checks of one worker, in seconds. A refused connection on live traffic is probed at once, whatever the pause.'
  },
  {
    name: 'health-check-timeout-secs', type: 'number', exclusiveMin: 0, max: longest, default: 5, placeholder: 'SECS', group: 'Health checks',
    help: 'Time a check may take, in seconds; a later answer is a failure.'
  },
  {
    name: 'health-failure-threshold', type: 'integer', min: 1, default: 3, group: 'Health checks',
    help: 'Failed checks in a row that make a worker unhealthy.'
  },
  {
    name: 'health-success-threshold', type: 'integer', min: 1, default: 2, group: 'Health checks',
    help: 'Good checks in a row that make an unhealthy worker ready again.'
  },

  {
    name: 'policy', type: 'choice', default: 'cache_aware', placeholder: 'NAME', group: 'Policy',
    choices: ['cache_aware', 'consistent_hash', 'power_of_two', 'random', 'rendezvous_hash', 'round_robin'],
    help: 'How a worker is chosen for a request. The default prefers the worker that has most of the prompt in its KV cache, while loads are even.'
  },
  {
    name: 'cache-threshold', type: 'number', min: 0, max: 1, default: 0.3, group: 'Policy',
    help: 'cache_aware: part of a prompt that must be known to a worker before it is preferred for that.'
  },
  {
    name: 'balance-abs-threshold', type: 'integer', min: 0, default: 64, placeholder: 'REQUESTS', group: 'Policy',
    help: 'cache_aware: loads are uneven when the most and the least loaded worker differ by more requests than this and by more than balance-rel-threshold; then the least loaded one is taken.'
  },
  {
    name: 'balance-rel-threshold', type: 'number', min: 1, default: 1.5, placeholder: 'FACTOR', group: 'Policy',
    help: 'cache_aware: see balance-abs-threshold; the most loaded worker has more than so many times the load of the least loaded one.'
  },
  {
    name: 'max-tree-size', type: 'integer', min: 1, default: 33554432, placeholder: 'BYTES', group: 'Policy',
    help: 'cache_aware: bytes of prompts remembered for each worker.'
  },
  {
    name: 'max-index-entries', type: 'integer', min: 1, default: 2000000, group: 'Policy',
    help: 'cache_aware: entries of the prefix index over all workers, which bounds its memory.'
  },
  {
    name: 'eviction-interval', type: 'number', exclusiveMin: 0, max: longest, default: 120, aliases: ['eviction-interval-secs'], placeholder: 'SECS', group: 'Policy',
    help: 'Accepted for users of the Rust router and without effect: the index is kept within its bounds at every insert, nothing waits for an interval.'
  },
  {
    name: 'load-scrape-interval-secs', type: 'number', min: 0, max: longest, default: 5, placeholder: 'SECS', group: 'Policy',
    help: "power_of_two: pause between readings of each worker's /metrics, in seconds, to learn of load that is not this router's; 0 is never."
  },

  {
    name: 'prometheus-host', type: 'string', format: 'hostname', default: '127.0.0.1', placeholder: 'ADDRESS', group: 'Metrics',
    help: 'Address the metrics are served on.'
  },
  {
    name: 'prometheus-port', type: 'integer', min: 0, max: 65535, default: 29000, group: 'Metrics',
    help: 'Port the metrics are served on; 0 takes any free one.'
  },

  {
    name: 'log-level', type: 'choice', choices: ['debug', 'info', 'warn', 'warning', 'error', 'critical'], default: 'info', placeholder: 'LEVEL', group: 'Logging',
    help: 'Least important messages to log; warning is warn, critical is above error.'
  },
  {
    name: 'log-dir', type: 'string', format: 'path', default: undefined, placeholder: 'DIR', group: 'Logging',
    help: 'Folder for log files besides the log on standard output; a relative one is in the working directory.'
  },
  {
    name: 'access-log', type: 'switch', default: false, group: 'Logging',
    help: 'Log one line per request.'
  },

  {
    name: 'simulated-workers', type: 'integer', min: 0, max: 1000, default: 0, group: 'Development',
    help: 'Start so many simulated workers inside the router where no other option gives a worker, to try it without a GPU.'
  },

  {
    name: 'config', type: 'string', format: 'path', default: undefined, placeholder: 'FILE', group: 'Command', origins: ['flag', 'environment'],
    help: 'YAML or JSON file with options.'
  },
  {
    name: 'help', type: 'switch', default: false, aliases: ['h'], group: 'Command', origins: ['flag'],
    help: 'Print all options and end.'
  },
  {
    name: 'version', type: 'switch', default: false, aliases: ['V'], group: 'Command', origins: ['flag'],
    help: 'Print the version and end.'
  }
] as const satisfies readonly OptionSpec[]

type Row = (typeof optionTable)[number]
type RouterRow = Exclude<Row, { readonly origins: unknown }>
type Typed<Spec> =
  Spec extends { readonly type: 'choice', readonly choices: readonly (infer Choice)[] } ? Choice
    : Spec extends { readonly type: 'integer' | 'number' } ? number
      : Spec extends { readonly type: 'switch' } ? boolean
        : Spec extends { readonly type: 'list' } ? readonly string[]
          : string

/** Every option of the router with its value, by camelCase name. */
export type RouterOptions = {
  readonly [Spec in RouterRow as CamelCase<Spec['name']>]: Typed<Spec> | (Spec['default'] extends undefined ? undefined : never)
}

/** The rows of the table, seen alike. */
export const optionSpecs: readonly OptionSpec[] = optionTable

/** The rows that are part of `RouterOptions`. */
export const routerSpecs: readonly OptionSpec[] = optionSpecs.filter(spec => spec.origins === undefined)

/** What holds where nothing is given. */
export const defaultOptions: RouterOptions = Object.freeze(Object.fromEntries(
  routerSpecs.map(spec => [camelCase(spec.name), Array.isArray(spec.default) ? Object.freeze([...spec.default]) : spec.default])
)) as RouterOptions

/** Defaults with the given, already checked values over them. */
export function completeOptions (values: Readonly<Record<string, OptionValue>>): RouterOptions {
  return Object.freeze({ ...defaultOptions, ...values })
}

/**
 * Options for whoever embeds the router: the given ones checked as on the command line, defaults for the rest. A name that is
 * `undefined` counts as not given.
 */
export function resolveOptions (partial: Partial<RouterOptions>): RouterOptions {
  const byKey = new Map(routerSpecs.map(spec => [camelCase(spec.name), spec]))
  const values: Record<string, OptionValue> = {}
  for (const [key, raw] of Object.entries(partial)) {
    const spec = byKey.get(key)
    if (spec === undefined) throw new OptionsError(`unknown option ${key}${suggest(key, [...byKey.keys()])}`)
    if (raw !== undefined) values[key] = coerce(spec, raw, key)
  }
  const options = completeOptions(values)
  checkTogether(options, key => key in values ? key : `${key} (default)`)
  return options
}
