// What the router's own routes answer, in words for their OpenAPI description; nothing is checked or serialised by it.
import type { FastifyInstance } from 'fastify'

const string = { type: 'string' }
const integer = { type: 'integer' }
const number = { type: 'number' }
const boolean = { type: 'boolean' }
const strings = { type: 'array', items: string }

type Schemas = Readonly<Record<string, object>>

function object (properties: Schemas, optional: readonly string[] = []): object {
  return { type: 'object', required: Object.keys(properties).filter(name => !optional.includes(name)), properties }
}

function list (properties: Schemas): object {
  return { type: 'array', items: object(properties) }
}

/** Or null. */
function maybe (schema: object): object {
  return { ...schema, nullable: true }
}

const errorObject = object({
  error: object({ message: string, type: string, param: { type: 'string', nullable: true }, code: { type: 'string', nullable: true } })
})
const refused = { description: 'The request is not accepted', ...errorObject }
const failed = { description: 'Nobody can serve this now, or the router failed', ...errorObject }

/** The answers of a route that answers with such an object. */
function json (description: string, schema: object, more: Schemas = {}): Schemas {
  return { 200: { description, ...schema }, '4xx': refused, '5xx': failed, ...more }
}

function text (description: string): Schemas {
  return { 200: { description, content: { 'text/plain': { schema: string } } }, '4xx': refused, '5xx': failed }
}

const sources = list({ name: string, ok: boolean, detail: string })
const worker = object({
  url: string,
  model_id: string,
  worker_type: string,
  is_healthy: boolean,
  load: number,
  connection_mode: string,
  bootstrap_port: integer,
  priority: number,
  cost: number,
  alias: string,
  state: { type: 'string', enum: ['starting', 'ready', 'unhealthy', 'draining', 'gone'] },
  reason: string,
  breaker: { type: 'string', enum: ['closed', 'open', 'half_open', 'disabled'] },
  holds: strings,
  weight: number,
  sources: strings,
  models: strings,
  in_flight: integer,
  processed: integer,
  labels: { type: 'object', additionalProperties: string }
}, ['bootstrap_port'])
/** Where requests are split, by pool; elsewhere all together. */
const pool = object({ healthy: integer, total: integer })
const pools = ['healthy_workers', 'total_workers', 'prefill', 'decode']
const changed = json('Done', object({ success: { type: 'boolean', enum: [true] }, message: string }))
const flushed = object({ status: { type: 'string', enum: ['ok', 'partial'] }, workers: list({ worker: string, flushed: boolean }) })

/** By route, as `schema.response`. */
export const answers = {
  liveness: text('Always `OK`'),
  readiness: json('A request could be served now', object({ status: { type: 'string', enum: ['ready'] }, healthy_workers: integer, total_workers: integer, prefill: pool, decode: pool, sources }, pools), {
    503: { description: 'None could', ...object({ status: { type: 'string', enum: ['not_ready'] }, reason: string, total_workers: integer, prefill: pool, decode: pool, sources }, pools) }
  }),
  health: json('The workers are not all out', object({ status: { type: 'string', enum: ['healthy'] }, healthy_workers: integer, total_workers: integer, prefill: pool, decode: pool }, pools)),
  healthGenerate: json('A token was made', object({ status: { type: 'string', enum: ['healthy'] }, model: string, worker: string })),
  models: json('The models', object({ object: { type: 'string', enum: ['list'] }, data: { type: 'array', items: object({ id: string }) } })),
  // a model the router does not know is a worker's to know
  model: { 200: { description: 'The model', ...object({ id: string }) }, '4xx': { description: 'No such model, or the request is not accepted', type: 'object' }, '5xx': failed },
  workers: json('The workers', object({
    workers: { type: 'array', items: worker }, total: integer, stats: object({ prefill_count: integer, decode_count: integer, regular_count: integer })
  })),
  worker: json('The worker', worker),
  urls: json('The URLs', object({ urls: strings })),
  said: text('A sentence'),
  changed,
  loads: json('The loads', object({ workers: list({ worker: string, load: number }), loads: { type: 'object', additionalProperties: number }, errors: strings }, ['workers', 'loads', 'errors'])),
  flushed: json('All are empty', flushed, { 207: { description: 'Some could not be emptied', ...flushed } }),
  decisions: json('The choices', object({
    decisions: list({
      time: string,
      request_id: string,
      route: string,
      leg: string,
      split: maybe(string),
      worker: string,
      alias: string,
      policy: string,
      reason: string,
      candidates: integer,
      match: maybe(number),
      session: maybe(string),
      uncached_tokens: maybe(number),
      end: maybe(string),
      status: maybe(integer),
      first_byte_ms: maybe(number),
      duration_ms: maybe(number),
      prompt_tokens: maybe(integer),
      cached_tokens: maybe(integer),
      completion_tokens: maybe(integer)
    }),
    kept: integer,
    size: integer
  })),
  sessionFinished: json('It is not known any more', object({ status: { type: 'string', enum: ['ok'] }, session_id: string })),
  serverInfo: json('The router', object({
    name: string, version: string, policy: string, prefill_policy: string, decode_policy: string, uptime_seconds: integer, workers: object({ total: integer, ready: integer })
  }, ['prefill_policy', 'decode_policy'])),
  modelInfo: json('The models', object({ model_path: { type: 'string', nullable: true }, is_generation: boolean, models: strings }))
} satisfies Readonly<Record<string, Schemas>>

/** Lets the routes of this scope describe their answers, and send them as if they did not. */
export function describeOnly (fastify: FastifyInstance): void {
  fastify.setSerializerCompiler(() => data => JSON.stringify(data))
}
