// The connections to one origin: the one that was used last is taken first, so that those a burst needed can end.
import { isIPv6 } from 'node:net'
import { errors } from 'undici'
import type { buildConnector } from 'undici'
import { asError } from './call.ts'
import type { Call } from './call.ts'
import { Connection } from './connection.ts'
import type { ConnectionOwner, Turns } from './connection.ts'

/** Makes connections. Their sockets must read by `onread`. */
export type Connector = ReturnType<typeof buildConnector>

/** What a pool has in common with others, and whom it tells. */
export interface PoolOwner {
  readonly connector: Connector
  readonly idleMs: number
  readonly turns: Turns
  /** Why nothing is sent any more. */
  readonly ended: Error | undefined
  opened (connection: Connection): void
  closed (connection: Connection): void
  /** The pool has neither connections nor anybody who waits for one. */
  empty (pool: Pool): void
}

/** Connections of one origin, and those who wait for one. Each call has its own; how many calls there are is bounded elsewhere. */
export class Pool implements ConnectionOwner {
  readonly origin: string
  readonly idleMs: number
  readonly turns: Turns
  private readonly owner: PoolOwner
  private readonly url: URL
  private readonly keptLines: string
  private readonly closedLines: string
  private readonly resting: Connection[] = []
  private readonly waiting = new Set<Call>()
  private connections = 0

  /** @throws InvalidArgumentError */
  constructor (origin: string, owner: PoolOwner) {
    this.origin = origin
    this.owner = owner
    this.idleMs = owner.idleMs
    this.turns = owner.turns
    if (!URL.canParse(origin)) throw new errors.InvalidArgumentError('invalid origin')
    this.url = new URL(origin)
    if (this.url.protocol !== 'http:' && this.url.protocol !== 'https:') throw new errors.InvalidArgumentError('invalid origin')
    const host = `host: ${this.url.host}\r\n`
    this.keptLines = `${host}connection: keep-alive\r\n`
    this.closedLines = `${host}connection: close\r\n`
  }

  /** Header lines of every request. */
  lines (method: string): string {
    return this.idleMs === 0 || method === 'HEAD' ? this.closedLines : this.keptLines
  }

  get hasIdle (): boolean {
    return this.resting.length > 0
  }

  /** Sends a call on an idle connection, or on one of its own. */
  send (call: Call): void {
    const now = performance.now()
    while (true) {
      const connection = this.resting.pop()
      if (connection === undefined) break
      if (connection.usable && now - connection.idleSince < connection.idleMs) {
        connection.send(call)
        return
      }
      connection.drop()
    }
    this.connect(call)
  }

  /** Opens a connection for a call. */
  connect (call: Call): void {
    const { host, hostname, protocol, port } = this.url
    this.waiting.add(call)
    this.owner.connector({ host, hostname: isIPv6(hostname.slice(1, -1)) ? hostname.slice(1, -1) : hostname, protocol, port }, (error, socket) => {
      const wanted = this.waiting.delete(call)
      if (error !== null) {
        if (wanted) call.fail(asError(error))
        this.checkEmpty()
        return
      }
      if (!wanted) {
        socket.on('error', () => {})
        socket.destroy()
        this.checkEmpty()
        return
      }
      this.connections++
      const connection = new Connection(socket, this)
      this.owner.opened(connection)
      connection.send(call)
    })
  }

  idle (connection: Connection): void {
    if (this.owner.ended === undefined) this.resting.push(connection)
    else connection.drop()
  }

  closed (connection: Connection): void {
    this.connections--
    const at = this.resting.indexOf(connection)
    if (at !== -1) this.resting.splice(at, 1)
    this.owner.closed(connection)
    this.checkEmpty()
  }

  /** Ends the calls that wait for a connection. */
  fail (error: Error): void {
    const calls = [...this.waiting]
    this.waiting.clear()
    for (const call of calls) call.fail(error)
    this.checkEmpty()
  }

  private checkEmpty (): void {
    if (this.connections === 0 && this.waiting.size === 0) this.owner.empty(this)
  }
}
