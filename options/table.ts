// The rows of the one table of options.
/* eslint @stylistic/object-property-newline: off -- a table is read by its rows */
import { accessTable } from './access-table.ts'
import { authenticationTable } from './authentication-table.ts'
import { disaggregationTable, policies } from './disaggregation-table.ts'
import { discoveryTable } from './discovery-table.ts'
import { routingTable } from './routing-table.ts'
import { longest } from './spec.ts'
import type { OptionSpec } from './spec.ts'

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
    name: 'processes', type: 'integer', min: 1, max: 64, default: 1, group: 'Server',
    help: 'Processes that serve the port; one of them is enough for most fleets. With more, one further process looks after workers and metrics, and limits are shared out: see docs/processes.md.'
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
    name: 'drain-delay-secs', type: 'number', min: 0, max: longest, default: 0, placeholder: 'SECS', group: 'Server',
    help: 'Time after SIGTERM during which /readiness is 503 and requests are still taken, in seconds, so that load balancers notice first.'
  },
  {
    name: 'drain-timeout-secs', type: 'number', min: 0, max: longest, default: 300, placeholder: 'SECS', group: 'Server',
    help: 'Time requests in flight then get to finish, in seconds; streams that are left end with an error event.'
  },
  {
    name: 'client-header-timeout-secs', type: 'number', exclusiveMin: 0, max: longest, default: 30, placeholder: 'SECS', group: 'Server',
    help: "Time a client may take to send a request's headers, in seconds."
  },
  {
    name: 'client-body-idle-timeout-secs', type: 'number', exclusiveMin: 0, max: longest, default: 60, placeholder: 'SECS', group: 'Server',
    help: "Time a client may be silent while it sends a request's body, in seconds."
  },
  {
    name: 'cors-allowed-origins', type: 'list', format: 'origin', default: [], placeholder: 'ORIGIN', group: 'Server',
    help: 'Origins whose pages may use the router from a browser, such as https://chat.example. Empty is any, but not for the admin routes; the default is that of the Rust router.'
  },
  {
    name: 'trust-proxy', type: 'list', format: 'proxy', default: [], placeholder: 'ADDRESS', group: 'Server',
    help: 'Proxies whose X-Forwarded-For is believed when the access log names the client: addresses, networks, loopback, linklocal, uniquelocal, or true for whoever connects. Empty is none.'
  },
  {
    name: 'swagger-ui', type: 'switch', default: false, group: 'Server',
    help: "Serve pages that show the OpenAPI description of the router's own routes."
  },
  {
    name: 'allow-client-kv-transfer-params', type: 'switch', default: false, group: 'Server',
    help: 'Forward a top-level kv_transfer_params sent by a client. Without it such a request is refused with 400, because it can kill an engine.'
  },

  ...accessTable,

  ...authenticationTable,

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
    help: "Bearer token the router sends to workers, in health checks too. Better given in the environment, because a machine's process list shows flags. With vllm-pd-disaggregation OPENAI_API_KEY in the environment is taken where it is not given."
  },
  {
    name: 'api-key-file', type: 'string', format: 'path', default: undefined, placeholder: 'FILE', group: 'Workers',
    help: 'File whose first line is that token, in place of api-key. Read again when it changes; the old token stays while it cannot be read.'
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
    help: 'Time to the first byte of an answer, in seconds, all attempts together. A stream that flows has no deadline.'
  },
  {
    name: 'first-byte-timeout-secs', type: 'number', min: 0, max: longest, default: 0, placeholder: 'SECS', group: 'Workers',
    help: 'Time one worker may take to the first byte of its answer before another is tried, in seconds; 0 is no limit but request-timeout-secs. An answer that is not streamed has its first byte at its end.'
  },
  {
    name: 'idle-timeout-secs', type: 'number', min: 0, max: longest, default: 300, placeholder: 'SECS', group: 'Workers',
    help: 'Time a worker may be silent between two pieces of an answer, in seconds; 0 is no limit.'
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

  ...disaggregationTable,
  ...discoveryTable,

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
    name: 'disable-retries', type: 'switch', default: false, group: 'Retries',
    help: 'Try no request a second time.'
  },
  {
    name: 'retry-max-retries', type: 'integer', min: 1, max: 100, default: 5, placeholder: 'ATTEMPTS', group: 'Retries',
    help: 'Attempts at one request, the first included. Another worker is tried after 408, 429, 500, 502, 503, 504 and broken connections, until the first byte has gone to the client.'
  },
  {
    name: 'retry-initial-backoff-ms', type: 'integer', min: 1, max: 3600000, default: 50, placeholder: 'MS', group: 'Retries',
    help: 'Pause before the second attempt, in milliseconds. A refused connection is followed by another worker at once.'
  },
  {
    name: 'retry-max-backoff-ms', type: 'integer', min: 1, max: 3600000, default: 30000, placeholder: 'MS', group: 'Retries',
    help: 'Longest pause between attempts before jitter, in milliseconds; also the longest wait for a worker that asked to be left alone with Retry-After.'
  },
  {
    name: 'retry-backoff-multiplier', type: 'number', min: 1, max: 100, default: 1.5, placeholder: 'FACTOR', group: 'Retries',
    help: 'Each pause is so many times the one before.'
  },
  {
    name: 'retry-jitter-factor', type: 'number', min: 0, max: 1, default: 0.2, placeholder: 'SHARE', group: 'Retries',
    help: 'A pause is longer or shorter by up to this share, by chance.'
  },
  {
    name: 'retry-budget-percent', type: 'number', min: 0, max: 1000, default: 20, placeholder: 'PERCENT', group: 'Retries',
    help: 'Retries allowed in percent of the requests of the last 10 s, so that a fleet in trouble is not given several times its load.'
  },
  {
    name: 'retry-budget-min-per-second', type: 'number', min: 0, max: 1000000, default: 10, placeholder: 'RETRIES', group: 'Retries',
    help: 'Retries allowed per second in any case.'
  },

  {
    name: 'disable-circuit-breaker', type: 'switch', default: false, group: 'Circuit breaker',
    help: 'Keep sending requests to workers that fail.'
  },
  {
    name: 'cb-failure-threshold', type: 'integer', min: 1, default: 10, placeholder: 'FAILURES', group: 'Circuit breaker',
    help: "Failures in a row, all within the window, that take a worker out: 5xx, broken connections, no first byte in time, broken streams. A client's own mistakes and departures count as nothing."
  },
  {
    name: 'cb-success-threshold', type: 'integer', min: 1, default: 3, placeholder: 'SUCCESSES', group: 'Circuit breaker',
    help: 'Trial requests in a row that must succeed before the worker serves in full again.'
  },
  {
    name: 'cb-timeout-duration-secs', type: 'number', exclusiveMin: 0, max: longest, default: 60, placeholder: 'SECS', group: 'Circuit breaker',
    help: 'Time a worker is left alone before the first trial, in seconds.'
  },
  {
    name: 'cb-window-duration-secs', type: 'number', exclusiveMin: 0, max: longest, default: 120, placeholder: 'SECS', group: 'Circuit breaker',
    help: 'Failures in a row count together only within so many seconds.'
  },
  {
    name: 'cb-half-open-requests', type: 'integer', min: 1, max: 1000, default: 1, placeholder: 'REQUESTS', group: 'Circuit breaker',
    help: 'Trial requests under way at the same time.'
  },
  {
    name: 'panic-mode', type: 'switch', default: false, group: 'Circuit breaker',
    help: 'Where every worker is held back, send requests to the least bad one instead of answering 503.'
  },
  {
    name: 'disable-outlier-detection', type: 'switch', default: false, group: 'Circuit breaker',
    help: 'Do not take traffic away from workers that are much slower, or fail much more, than the others.'
  },
  {
    name: 'outlier-max-percent', type: 'number', min: 0, max: 100, default: 30, placeholder: 'PERCENT', group: 'Circuit breaker',
    help: 'Largest part of the workers that may lose traffic as outliers at the same time.'
  },

  {
    name: 'max-concurrent-requests', type: 'integer', min: 1, default: 32768, placeholder: 'REQUESTS', group: 'Admission',
    help: 'Requests in flight at the same time; a stream counts until its end. Further ones wait in the queue.'
  },
  {
    name: 'max-concurrent-requests-per-worker', type: 'integer', min: 0, default: 0, placeholder: 'REQUESTS', group: 'Admission',
    help: 'Requests in flight on one worker at the same time; 0 is no bound.'
  },
  {
    name: 'queue-size', type: 'integer', min: 0, default: 100, placeholder: 'REQUESTS', group: 'Admission',
    help: 'Requests that may wait for a place; further ones are answered with 429.'
  },
  {
    name: 'queue-timeout-secs', type: 'number', exclusiveMin: 0, max: longest, default: 60, placeholder: 'SECS', group: 'Admission',
    help: 'Longest wait for a place, in seconds; then the answer is 408.'
  },
  {
    name: 'rate-limit-tokens-per-second', type: 'number', exclusiveMin: 0, default: undefined, placeholder: 'REQUESTS', group: 'Admission',
    help: 'Requests let in per second on average, up to one second\'s worth at once. Unset is no such limit.'
  },

  {
    name: 'policy', type: 'choice', default: 'cache_aware', placeholder: 'NAME', group: 'Policy',
    choices: policies,
    help: 'How a worker is chosen for a request. The default prefers the worker that has most of the prompt in its KV cache, while loads are even.'
  },
  {
    name: 'cache-threshold', type: 'number', min: 0, max: 1, default: 0.3, group: 'Policy',
    help: 'cache_aware: part of a prompt that must be known to a worker before it is preferred for that.'
  },
  {
    name: 'balance-abs-threshold', type: 'integer', min: 0, default: 8, placeholder: 'REQUESTS', group: 'Policy',
    help: 'cache_aware: loads are uneven when the worker that has the prompt has more to do than the least loaded one by more requests than this and by more than balance-rel-threshold; then the least loaded one is taken. A prompt that waits to be computed counts as one request more, a long one as several.'
  },
  {
    name: 'balance-rel-threshold', type: 'number', min: 1, default: 1.5, placeholder: 'FACTOR', group: 'Policy',
    help: 'cache_aware: see balance-abs-threshold; the worker that has the prompt has more than so many times as much to do as the least loaded one.'
  },
  {
    name: 'max-tree-size', type: 'integer', min: 1, default: 33554432, placeholder: 'BYTES', group: 'Policy',
    help: 'cache_aware, sticky_until_saturated: bytes of prompts remembered for each worker; fewer where its KV cache is known to hold less.'
  },
  {
    name: 'max-index-entries', type: 'integer', min: 1, default: 2000000, group: 'Policy',
    help: 'cache_aware, sticky_until_saturated: entries of the prefix index over all workers, which bounds its memory.'
  },
  {
    name: 'eviction-interval', type: 'number', exclusiveMin: 0, max: longest, default: 120, aliases: ['eviction-interval-secs'], placeholder: 'SECS', group: 'Policy',
    help: 'Accepted for users of the Rust router and without effect: the index is kept within its bounds at every insert, nothing waits for an interval.'
  },
  {
    name: 'load-scrape-interval-secs', type: 'number', min: 0, max: longest, default: 5, placeholder: 'SECS', group: 'Policy',
    help: "least_load, power_of_two: pause between readings of each worker's /metrics, in seconds, to learn of load that is not this router's; 0 is never."
  },
  ...routingTable,

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
    name: 'record-trace', type: 'string', format: 'path', default: undefined, placeholder: 'FILE', group: 'Logging',
    help: 'File in which each generation request becomes a line for npm run replay: its moment, lengths, and salted hashes of its prompt and session, never what it says. One that is there is kept as FILE.1.'
  },
  {
    name: 'record-trace-max-mb', type: 'integer', min: 1, max: 1048576, default: 1024, placeholder: 'MB', group: 'Logging',
    help: 'Size at which the recording ends, in millions of bytes; the default is a few hundred thousand requests.'
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
