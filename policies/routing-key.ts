// What a request is hashed by: the first of its headers, session, or opening that tells which conversation it belongs to.
import type { Reason, Routing } from './policy.ts'
import { ringHashHex } from './ring-hash.ts'

/** Headers that name a conversation, first hit wins; the reference router's list and order. */
export const keyHeaders = ['x-session-id', 'x-user-id', 'x-tenant-id', 'x-correlation-id', 'x-request-id', 'x-trace-id'] as const

/** A key and what it was made of. */
export interface RoutingKey {
  readonly key: string
  readonly reason: Extract<Reason, 'header' | 'session' | 'conversation'>
}

/** Openings longer than this, in bytes, are replaced by their hash. */
const longestPlainOpening = 100
const decoder = new TextDecoder()

/**
 * The key of a request: `header:<name>:<value>`, else the session or user its body names, else what its conversation begins
 * with (`request:<text>`, or `request_hash:<16 hex digits>` beyond 100 bytes). Undefined when there is nothing to tell
 * requests apart by: the caller then spreads them.
 */
export function routingKey (routing: Routing): RoutingKey | undefined {
  for (const name of keyHeaders) {
    const value = routing.header(name)
    if (value !== undefined && value !== '') return { key: `header:${name}:${value}`, reason: 'header' }
  }
  const session = routing.session
  if (session !== undefined) return { key: session, reason: 'session' }
  const opening = routing.opening
  if (opening === undefined || opening.length === 0) return undefined
  const key = opening.length > longestPlainOpening ? `request_hash:${ringHashHex(opening)}` : `request:${decoder.decode(opening)}`
  return { key, reason: 'conversation' }
}
