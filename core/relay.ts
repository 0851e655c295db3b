// Writes a worker's answer to the client as it comes: head, bytes, end; with backpressure, and never as if it were complete when it is not.
import type { ServerResponse } from 'node:http'
import type { Dispatcher } from 'undici'
import type { FlatController, FlatHandler } from './flat-handler.ts'
import { headerIn, headersForClient, textHeaders } from './headers.ts'
import { cutOff, http2Stream, isClosed, writeHead } from './reply.ts'

/** What the owner of a reply decides for a relay. */
export interface RelayOwner {
  /** Lower-case names of the worker's headers that do not go to the client; undefined = those of the connection. */
  readonly without?: ReadonlySet<string> | undefined
  /** The answer begins: no other answer may be given from here on. Returns headers to add, flat. */
  takeOver (): string[]
  /** No byte of an answer came and none was written. */
  failed (error: Error): void
  /** The answer to `text/event-stream` broke off: bytes that tell the client so. */
  lastWords (error: Error): Buffer
}

const noBytes = Buffer.alloc(0)
/** Up to so many bytes a piece is written as one text, with what frames it: Node does that without an allocation of its own. */
const oneWrite = 16_000

/** A handler that writes to a Node reply. At most the reply's own high-water mark is buffered for a slow client. */
export class Relay implements FlatHandler {
  readonly takesFlatHeaders = true
  private readonly reply: ServerResponse
  private readonly owner: RelayOwner
  private events = false
  private lengthKnown = false
  /** Bytes that are to come of an announced length. */
  private left = 0
  /** Chunks are framed here: Node would make three pieces of each. */
  private framing = false
  /** The head is on its way to the client, which comes first. */
  private begun = false
  /** The client has enough for now. */
  private waiting = false
  private readonly text: boolean
  /** A piece that goes out with the end. */
  private last: Buffer | undefined

  constructor (reply: ServerResponse, owner: RelayOwner) {
    this.reply = reply
    this.owner = owner
    this.text = http2Stream(reply) === undefined
  }

  onRequestStart (): void {}

  onResponseStart (...[controller, status, , message]: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>): void {
    const { reply } = this
    const raw = textHeaders(controller.rawHeaders)
    this.events = isEventStream(raw)
    const headers = headersForClient(raw, this.owner.without)
    const length = headerIn(headers, 'content-length')
    this.lengthKnown = length !== undefined
    if (length !== undefined) this.left = Number(length)
    headers.push(...this.owner.takeOver())
    writeHead(reply, status, message, headers)
    if (this.text && reply.chunkedEncoding) {
      reply.chunkedEncoding = false
      this.framing = true
    }
  }

  onResponseData (controller: FlatController, chunk: Buffer): void {
    const ready = this.writeLast(controller)
    if (this.framing && controller.ending === true) this.last = chunk
    else if (!this.write(chunk, controller) || !ready) {
      controller.pause()
      // what was held of an answer comes all the same
      if (this.waiting) return
      this.waiting = true
      this.reply.once('drain', () => {
        this.waiting = false
        controller.resume()
      })
    }
  }

  onResponseEnd (controller: FlatController): void {
    const { last } = this
    this.last = undefined
    if (this.framing) {
      this.frame(last, '0\r\n\r\n')
      if (last !== undefined) this.written(last, controller)
    }
    this.reply.end()
  }

  onResponseError (controller: FlatController, error: Error): void {
    const { reply } = this
    if (!reply.headersSent) {
      this.owner.failed(error)
      return
    }
    // who ends a reply that nobody reads any more makes it look complete
    if (isClosed(reply)) return
    this.writeLast(controller)
    // an answer whose length was announced has no room for one more event
    if (this.events && !this.lengthKnown) {
      this.write(this.owner.lastWords(error), controller)
      this.onResponseEnd(controller)
    } else cutOff(reply, this.lengthKnown || this.framing)
  }

  /** Something followed the piece that was to go out with the end. */
  private writeLast (controller: FlatController): boolean {
    const { last } = this
    this.last = undefined
    return last === undefined || this.write(last, controller)
  }

  /** Writes bytes of the body. False: the client has enough for now. */
  private write (chunk: Buffer, controller: FlatController): boolean {
    const ready = this.framing ? this.frame(chunk, '') : this.plain(chunk)
    this.written(chunk, controller)
    return ready
  }

  /** Gives a piece back that the system has taken whole. */
  private written (chunk: Buffer, controller: FlatController): void {
    if (this.text && this.reply.socket?.writableLength === 0) controller.release?.(chunk)
  }

  /** Writes bytes that need no framing, as one text where they are few. */
  private plain (chunk: Buffer): boolean {
    const { reply } = this
    const { length } = chunk
    if (!this.text) return reply.write(chunk)
    if (!this.lengthKnown || length > oneWrite) return this.flush(reply.write(chunk))
    this.left -= length
    const ready = this.send(chunk.toString('latin1'))
    if (this.left > 0) return ready
    // whoever is told that nothing more comes need not wait
    reply.end()
    return true
  }

  /** Writes a chunk, if there is one, and what follows it. */
  private frame (chunk: Buffer | undefined, after: string): boolean {
    if (chunk === undefined) return this.send(after)
    const size = `${chunk.length.toString(16)}\r\n`
    if (chunk.length <= oneWrite) return this.send(`${size}${chunk.toString('latin1')}\r\n${after}`)
    return this.send(size, chunk, `\r\n${after}`)
  }

  /** Sends a text, or bytes between two texts, at once. */
  private send (text: string, bytes?: Buffer, after = ''): boolean {
    const { reply } = this
    const { socket } = reply
    if (bytes === undefined && this.begun && socket !== null && socket.writable && socket.writableCorked === 0) {
      // a reply that has not been told that its client is slow does not tell when it is ready again
      return socket.write(text, 'latin1') || socket.writableLength === 0 || reply.write(noBytes)
    }
    this.begun = true
    let ready = reply.write(text, 'latin1')
    if (bytes !== undefined) {
      reply.write(bytes)
      ready = reply.write(after, 'latin1')
    }
    return this.flush(ready)
  }

  /**
   * Hands what was written to the system now. Node would hold it back to the end of the turn, to see whether more comes, and take a client
   * for slow until then. `ready`: the reply takes more, for all it knows.
   */
  private flush (ready: boolean): boolean {
    const { socket } = this.reply
    if (socket === null) return ready
    socket.uncork()
    return ready || socket.writableLength === 0
  }
}

/** True when flat headers announce server-sent events in clear, so that bytes may be added at the end. */
export function isEventStream (headers: readonly string[]): boolean {
  return headerIn(headers, 'content-type')?.toLowerCase().startsWith('text/event-stream') === true && headerIn(headers, 'content-encoding') === undefined
}
