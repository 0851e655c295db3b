// What a request is hashed by: the first of its headers, session, or opening that tells which conversation it belongs to.
import type { Reason, Routing } from './policy.ts'
import { ringHashHex } from './ring-hash.ts'

/**
 * Headers that name a conversation, first hit wins: the reference router's in its order, and those of agents (Claude Code, Codex) before
 * the ones that name a single request rather than a session. A request without an agent's header has the reference router's key.
 */
export const keyHeaders: readonly string[] = [
  'x-session-id', 'x-user-id', 'x-tenant-id', 'x-claude-code-session-id', 'session-id', 'thread-id', 'x-correlation-id', 'x-request-id', 'x-trace-id'
]

/** Option of every policy that goes by a request's key. */
export interface KeyOptions {
  /** Headers that name a conversation, by lower-case name, first hit wins. Default, and where it is empty: `keyHeaders`, or those of them that suit the policy. */
  readonly sessionHeaders?: readonly string[]
}

/** The headers of an option, or the known ones but for some that would mislead a policy. */
export function headersOf ({ sessionHeaders = [] }: KeyOptions, misleading?: ReadonlySet<string>): readonly string[] {
  return sessionHeaders.length > 0 ? sessionHeaders : keyHeaders.filter(name => misleading?.has(name) !== true)
}

/** A key and what it was made of. */
export interface RoutingKey {
  readonly key: string
  readonly reason: Extract<Reason, 'header' | 'session' | 'conversation'>
}

/** Openings longer than this, in bytes, are replaced by their hash. */
const longestPlainOpening = 100
/** Keys longer than this, in characters, are remembered by their hash: what a client sends is neither hashed again and again nor kept. */
const longestKept = 256
const decoder = new TextDecoder()

/**
 * The key of a request: `header:<name>:<value>`, else the session or user its body names, else what its conversation begins
 * with (`request:<text>`, or `request_hash:<16 hex digits>` beyond 100 bytes). Undefined when there is nothing to tell
 * requests apart by: the caller then spreads them.
 */
export function routingKey (routing: Routing, headers: readonly string[] = keyHeaders): RoutingKey | undefined {
  const named = sessionKey(routing, headers)
  if (named !== undefined) return named
  const opening = routing.opening
  if (opening === undefined || opening.length === 0) return undefined
  const key = opening.length > longestPlainOpening ? `request_hash:${ringHashHex(opening)}` : `request:${decoder.decode(opening)}`
  return { key, reason: 'conversation' }
}

/** The key of a request that says itself which session it belongs to. */
export function sessionKey (routing: Routing, headers: readonly string[]): RoutingKey | undefined {
  for (const name of headers) {
    const value = routing.header(name)
    if (value !== undefined && value !== '') return { key: headerKey(name, value), reason: 'header' }
  }
  const { session } = routing
  return session === undefined ? undefined : { key: session, reason: 'session' }
}

/** Every key that a client may have named a session by: in a header, or in a body. */
export function keysOfSession (id: string, headers: readonly string[] = keyHeaders): string[] {
  return [...headers.map(name => headerKey(name, id)), `session:${id}`, `user:${id}`]
}

/** A key as tables keep it. */
export function kept (key: string): string {
  return key.length > longestKept ? `key_hash:${ringHashHex(key)}` : key
}

function headerKey (name: string, value: string): string {
  return `header:${name}:${value}`
}
