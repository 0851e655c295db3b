// One connection to a worker: a socket, the call it is busy with, and the answer that comes.
import type { Socket } from 'node:net'
import { errors } from 'undici'
import { asError } from './call.ts'
import type { Call } from './call.ts'
import { socketFault } from './faults.ts'
import { ResponseParser } from './parser.ts'
import type { ResponseSink } from './parser.ts'
import { expectsBody, writeRequest } from './request-bytes.ts'
import type { ResponseHead } from './response-head.ts'

/** Who keeps connections. */
export interface ConnectionOwner {
  /** Milliseconds an idle connection is kept at most. */
  readonly idleMs: number
  /** Turns of the clock that looks after silence. */
  readonly turns: Turns
  /** The connection is free for the next call. */
  idle (connection: Connection): void
  /** Its socket is closed. */
  closed (connection: Connection): void
}

/** A coarse clock: silence is counted in its turns, so that a piece of an answer costs no look at the time, and a process that hung takes nobody for silent. */
export interface Turns {
  count: number
  readonly ms: number
}

const kConnection: unique symbol = Symbol('vllm-router.connection')

/** A socket that reads for a connection. */
interface ReadingSocket extends Socket {
  [kConnection]?: Connection
}

/** A worker that says how long it keeps connections closes them that much later at the latest: less than its word is used. */
const marginMs = 2000

/**
 * How sockets read: all into the same memory, one after the other, so that a read costs no memory of its own. Whoever keeps bytes
 * copies them before he returns.
 */
export const onread = {
  buffer: Buffer.allocUnsafeSlow(65_536),
  // Node calls it on the socket
  callback (this: unknown, size: number, bytes: Uint8Array): boolean {
    const socket = this as ReadingSocket
    const connection = socket[kConnection]
    // a worker that speaks before it was asked
    if (connection === undefined) socket.destroy()
    return connection?.read(bytes as Buffer, size) ?? true
  }
}

/** A connection that came about. */
export class Connection implements ResponseSink {
  /** When it became idle, on the machine's clock. */
  idleSince = 0
  /** Milliseconds it may be used again after it became idle. */
  idleMs = 0
  /** The turn of the owner's clock in which the worker was last heard of, or asked. */
  heardAt = 0
  call: Call | undefined
  readonly socket: Socket
  private readonly owner: ConnectionOwner
  private readonly parser = new ResponseParser(this)
  private telling = false
  private reusable = false
  private fault: Error | undefined
  /** What came for a handler that has had enough for now; more than one read's worth comes over TLS only. */
  private backlog: Buffer[] | undefined
  private trailers: string[] | undefined

  constructor (socket: Socket, owner: ConnectionOwner) {
    this.socket = socket
    this.owner = owner
    const reading: ReadingSocket = socket
    reading[kConnection] = this
    socket.on('error', error => this.failed(error))
    socket.on('end', () => this.ended())
    socket.on('close', () => this.gone())
  }

  /** It can take a call. */
  get usable (): boolean {
    return !this.socket.destroyed && this.socket.writable
  }

  /** Sends a request, unless nobody wants it any more; then the connection ends, too. */
  send (call: Call): void {
    this.call = call
    this.heardAt = this.owner.turns.count
    if (!call.start(this)) return
    const { method, body } = call
    // whatever a HEAD, or a GET with a body, makes a worker do wrong, nobody else gets it
    this.reusable = this.owner.idleMs > 0 && method !== 'HEAD' && (body === null || expectsBody(method))
    this.parser.expect(method === 'HEAD')
    writeRequest(this.socket, call.head, method, body)
  }

  /** The next bytes. False: no more of them for now. */
  read (bytes: Buffer, size: number): boolean {
    this.heardAt = this.owner.turns.count
    this.telling = true
    try {
      this.parser.push(bytes, size)
    } catch (error) {
      this.failed(asError(error))
    }
    this.telling = false
    return this.call?.paused !== true
  }

  head (head: ResponseHead): boolean {
    const { call } = this
    if (call === undefined) return false
    const { keepAliveMs } = head
    this.idleMs = keepAliveMs === undefined ? this.owner.idleMs : Math.min(this.owner.idleMs, keepAliveMs - marginMs)
    // without framing the end of the answer is the end of the connection
    this.reusable &&= head.persistent && this.idleMs > 0 && (head.chunked || head.length !== -1 || head.status === 204 || head.status === 304)
    return call.respond(head)
  }

  body (piece: Buffer, last: boolean): boolean {
    const { call } = this
    if (call === undefined) return false
    if (call.paused) {
      (this.backlog ??= []).push(piece)
      return true
    }
    call.ending = last
    return call.data(piece)
  }

  end (trailers: string[], alone: boolean): void {
    const { call } = this
    if (call === undefined) return
    this.reusable &&= alone
    if (call.paused) this.trailers = trailers
    else this.complete(call, trailers)
  }

  pause (): void {
    // while the handler is told something, what it wants in the end counts
    if (!this.telling) this.socket.pause()
  }

  resume (): void {
    this.heardAt = this.owner.turns.count
    const { call } = this
    if (this.telling || call === undefined) return
    this.telling = true
    try {
      if (this.catchUp(call) && this.trailers !== undefined) {
        const { trailers } = this
        this.trailers = undefined
        this.complete(call, trailers)
      }
    } catch (error) {
      this.failed(asError(error))
    }
    this.telling = false
    if (!call.paused && !this.socket.destroyed) this.socket.resume()
  }

  /** Ends the connection, and the call it is busy with. */
  destroy (error: Error): void {
    this.failed(error)
  }

  /** The call is over, before its answer was: nothing else that comes is of use. */
  drop (): void {
    this.parser.stop()
    this.call = undefined
    this.backlog = undefined
    this.trailers = undefined
    this.socket.destroy()
  }

  /** Ends what was silent for too long. Late by two turns at most, and never early. */
  look (now: number): void {
    const { call } = this
    if (call === undefined) {
      if (now - this.idleSince >= this.idleMs) this.drop()
      return
    }
    // a handler that has had enough for now is not the worker's silence
    if (call.paused) return
    const { count, ms } = this.owner.turns
    const silentMs = (count - this.heardAt - 1) * ms
    if (!call.answered) {
      if (call.headMs > 0 && silentMs >= call.headMs) this.failed(new errors.HeadersTimeoutError())
    } else if (call.bodyMs > 0 && silentMs >= call.bodyMs) this.failed(new errors.BodyTimeoutError())
  }

  /** Hands on what was held back. True when the handler waits for more. */
  private catchUp (call: Call): boolean {
    while (!call.paused) {
      const piece = this.backlog?.shift()
      if (piece === undefined) return true
      if (!call.data(piece)) return false
    }
    return false
  }

  private complete (call: Call, trailers: string[]): void {
    this.call = undefined
    // a worker that answered before it had read all may not read the rest
    if (this.reusable && this.usable && this.socket.writableLength === 0) {
      this.idleSince = performance.now()
      this.owner.idle(this)
    } else this.drop()
    call.complete(trailers)
  }

  private failed (error: Error): void {
    const { call } = this
    this.fault ??= error
    this.drop()
    call?.fail(error)
  }

  private ended (): void {
    // the call has all that it waits for
    if (this.trailers !== undefined) return
    if (this.call !== undefined && this.parser.close()) return
    this.failed(socketFault('other side closed'))
  }

  private gone (): void {
    this.owner.closed(this)
    if (this.trailers === undefined) this.failed(this.fault ?? socketFault('closed'))
  }
}
