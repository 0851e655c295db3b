// Writes a worker's answer to the client as it comes: head, bytes, end; with backpressure, and never as if it were complete when it is not.
import type { ServerResponse } from 'node:http'
import type { Dispatcher } from 'undici'
import { headerIn, headersForClient, textHeaders } from './headers.ts'
import { cutOff, writeHead } from './reply.ts'

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

/** An undici handler that writes to a Node reply. At most the reply's own high-water mark is buffered for a slow client. */
export class Relay implements Dispatcher.DispatchHandler {
  private readonly reply: ServerResponse
  private readonly owner: RelayOwner
  private events = false
  private lengthKnown = false

  constructor (reply: ServerResponse, owner: RelayOwner) {
    this.reply = reply
    this.owner = owner
  }

  onRequestStart (): void {}

  onResponseStart (...[controller, status, , message]: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>): void {
    const raw = textHeaders(controller.rawHeaders)
    this.events = isEventStream(raw)
    this.lengthKnown = headerIn(raw, 'content-length') !== undefined
    const headers = headersForClient(raw, this.owner.without)
    headers.push(...this.owner.takeOver())
    writeHead(this.reply, status, message, headers)
  }

  onResponseData (controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.reply.write(chunk)) {
      controller.pause()
      this.reply.once('drain', () => controller.resume())
    }
  }

  onResponseEnd (): void {
    this.reply.end()
  }

  onResponseError (_controller: Dispatcher.DispatchController, error: Error): void {
    if (!this.reply.headersSent) this.owner.failed(error)
    // an answer whose length was announced has no room for one more event
    else if (this.events && !this.lengthKnown) this.reply.end(this.owner.lastWords(error))
    else cutOff(this.reply, this.lengthKnown)
  }
}

/** True when flat headers announce server-sent events in clear, so that bytes may be added at the end. */
export function isEventStream (headers: readonly string[]): boolean {
  return headerIn(headers, 'content-type')?.toLowerCase().startsWith('text/event-stream') === true && headerIn(headers, 'content-encoding') === undefined
}
