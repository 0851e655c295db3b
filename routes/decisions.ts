// The last choices of workers, for those who ask why a request went where it went.
import type { FastifyPluginCallback } from 'fastify'
import type { DecisionSlot } from '../core/decision-ring.ts'
import { joinPages } from '../plugins/decisions.ts'
import { answers, describeOnly } from './answers.ts'
import { routesFor } from './audience.ts'

interface Query {
  worker?: string
  request_id?: string
  limit: number
}

const querystring = {
  type: 'object',
  properties: {
    worker: { type: 'string', minLength: 1, description: 'Id, URL (all ranks of it) or alias of a worker' },
    request_id: { type: 'string', minLength: 1 },
    limit: { type: 'integer', minimum: 1, maximum: 10_000, default: 100, description: 'Most choices in the answer' }
  }
}

const known = (number: number): number | null => Number.isNaN(number) ? null : number
const rounded = (milliseconds: number): number | null => Number.isNaN(milliseconds) ? null : Math.round(milliseconds * 1000) / 1000
const said = (text: string): string | null => text === '' ? null : text

function show (slot: DecisionSlot): object {
  return {
    time: new Date(slot.at).toISOString(),
    request_id: slot.requestId,
    route: slot.route,
    leg: slot.leg,
    split: said(slot.split),
    worker: slot.worker,
    alias: slot.alias,
    policy: slot.policy,
    reason: slot.reason,
    candidates: slot.candidates,
    match: known(slot.match),
    session: said(slot.session),
    uncached_tokens: known(slot.uncachedTokens),
    end: said(slot.end),
    status: slot.status === 0 ? null : slot.status,
    first_byte_ms: rounded(slot.firstByteMs),
    duration_ms: rounded(slot.durationMs),
    prompt_tokens: known(slot.promptTokens),
    cached_tokens: known(slot.cachedTokens),
    completion_tokens: known(slot.completionTokens)
  }
}

/** Fastify plugin: `GET /decisions`. */
export const decisionRoutes: FastifyPluginCallback = (fastify, _options, done) => {
  describeOnly(fastify)
  routesFor(fastify, 'admin')
  const { decisions } = fastify
  fastify.get<{ Querystring: Query }>('/decisions', { schema: { tags: ['workers'], summary: 'The last choices of workers, newest first, and what became of them', querystring, response: answers.decisions } }, async request => {
    const { worker, request_id: requestId, limit } = request.query
    const filter = { worker, requestId, limit }
    const others = await decisions.others?.(filter)
    // its slots are put into words before anybody can use them again
    const own = decisions.page(filter)
    const { decisions: found, kept, size } = others === undefined ? own : joinPages([own, others], filter)
    return { decisions: found.map(show), kept, size }
  })
  done()
}
export default decisionRoutes
