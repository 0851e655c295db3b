// A dispatcher for HTTP/1.1 on plain sockets: what undici's agent does for calls to workers, with less work for each of them.
import { Dispatcher, errors } from 'undici'
import { asError, Call } from './call.ts'
import type { Connection, Turns } from './connection.ts'
import { Pool } from './pool.ts'
import type { Connector, PoolOwner } from './pool.ts'
import { bodyOf, fieldLines, requestLine } from './request-bytes.ts'

/** Settings of an agent; times in milliseconds. */
export interface Http1AgentOptions {
  /** Makes connections whose sockets read by `onread`. */
  readonly connect: Connector
  /** How long an idle connection is kept; 0 = none is. */
  readonly idleMs: number
  /** How long a worker may be silent before its answer's head; 0 = no limit. */
  readonly headMs: number
  /** How long a worker may be silent within an answer; 0 = no limit. */
  readonly bodyMs: number
}

/** Shortest and longest time between two looks at who is silent. */
const shortestTurnMs = 10
const longestTurnMs = 500
/** Looks within the shortest of the limits. */
const looks = 4

interface Queued {
  readonly call: Call
  readonly pool: Pool
}

/**
 * Takes requests as undici's dispatchers do: one at a time on a connection, as many connections as there are requests, bodies that are
 * a `Buffer` or null. Handlers are of undici's newer kind (`onRequestStart`); interim answers (1xx) are not told.
 */
export class Http1Agent extends Dispatcher implements PoolOwner {
  readonly connector: Connector
  readonly idleMs: number
  readonly turns: Turns
  ended: Error | undefined
  private readonly headMs: number
  private readonly bodyMs: number
  private readonly pools = new Map<string, Pool>()
  private readonly connections = new Set<Connection>()
  private queue: Queued[] = []
  private timer: NodeJS.Timeout | undefined
  private closing: (() => void) | undefined

  constructor ({ connect, idleMs, headMs, bodyMs }: Http1AgentOptions) {
    super()
    this.connector = connect
    this.idleMs = idleMs
    this.headMs = headMs
    this.bodyMs = bodyMs
    const limits = [idleMs, headMs, bodyMs].filter(limit => limit > 0)
    this.turns = { count: 0, ms: Math.min(longestTurnMs, Math.max(shortestTurnMs, Math.floor(Math.min(...limits) / looks))) }
  }

  override dispatch (options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    let call: Call
    let pool: Pool
    try {
      if (this.ended !== undefined) throw this.ended
      const { origin, method, path, headers, body, headersTimeout, bodyTimeout } = options
      const line = requestLine(method, path)
      pool = this.pool(origin)
      const head = line + pool.lines(method) + fieldLines(headers)
      call = new Call(handler, method, head, bodyOf(body), headersTimeout ?? this.headMs, bodyTimeout ?? this.bodyMs)
    } catch (error) {
      new Call(handler, '', '', null, 0, 0).fail(asError(error))
      return false
    }
    if (!pool.hasIdle) pool.connect(call)
    else {
      // what an idle connection has to say is heard first: that it ended, or bytes that nobody asked for
      if (this.queue.length === 0) setImmediate(() => this.flush())
      this.queue.push({ call, pool })
    }
    return true
  }

  /** Takes no more requests; resolves when those it has are answered. */
  override close (callback?: () => void): Promise<void> {
    return this.end(new errors.ClientClosedError(), false, callback)
  }

  /** Ends all requests and connections; resolves when they are closed. */
  override destroy (error?: Error | null | (() => void), callback?: () => void): Promise<void> {
    return this.end(error instanceof Error ? error : new errors.ClientDestroyedError(), true, typeof error === 'function' ? error : callback)
  }

  opened (connection: Connection): void {
    this.connections.add(connection)
    if (this.timer !== undefined) return
    this.timer = setInterval(() => this.turn(), this.turns.ms)
    this.timer.unref()
  }

  closed (connection: Connection): void {
    this.connections.delete(connection)
    if (this.connections.size === 0) {
      clearInterval(this.timer)
      this.timer = undefined
    }
  }

  empty (pool: Pool): void {
    if (this.pools.get(pool.origin) === pool) this.pools.delete(pool.origin)
    if (this.pools.size === 0) this.closing?.()
  }

  private pool (origin: unknown): Pool {
    const name = typeof origin === 'string' ? origin : origin instanceof URL ? origin.origin : ''
    let pool = this.pools.get(name)
    if (pool === undefined) {
      pool = new Pool(name, this)
      this.pools.set(name, pool)
    }
    return pool
  }

  private flush (): void {
    const { queue } = this
    this.queue = []
    for (const { call, pool } of queue) pool.send(call)
  }

  private turn (): void {
    this.turns.count++
    const now = performance.now()
    for (const connection of this.connections) connection.look(now)
  }

  private async end (error: Error, atOnce: boolean, callback?: () => void): Promise<void> {
    this.ended = error
    await new Promise<void>(resolve => {
      const before = this.closing
      this.closing = () => {
        before?.()
        resolve()
      }
      if (atOnce) {
        const { queue } = this
        this.queue = []
        for (const { call } of queue) call.fail(error)
        for (const pool of this.pools.values()) pool.fail(error)
        for (const connection of this.connections) connection.destroy(error)
      } else {
        this.flush()
        for (const connection of this.connections) if (connection.call === undefined) connection.drop()
      }
      if (this.pools.size === 0) this.closing()
    })
    callback?.()
  }
}
