// The two ways an answer leaves a simulated worker, whole or as server-sent events, each with its way of breaking on demand.
import type { FastifyReply } from 'fastify'
import type { Failure } from './failures.ts'

const broken = new WeakMap<FastifyReply, Failure>()
const cut = new WeakSet<FastifyReply>()

/** Marks a reply that is to break while its answer is under way. */
export function breakLater (reply: FastifyReply, failure: Failure): void {
  broken.set(reply, failure)
}

/** True when the worker itself cut the connection. */
export function wasCut (reply: FastifyReply): boolean {
  return cut.has(reply)
}

/** Resets the connection: the other side sees ECONNRESET. */
export function resetConnection (reply: FastifyReply): void {
  cut.add(reply)
  reply.hijack()
  reply.raw.socket?.resetAndDestroy()
}

/** Answers with JSON, or with the first half of it. */
export function sendJson (reply: FastifyReply, body: unknown): void {
  if (!broken.has(reply)) {
    reply.send(body)
    return
  }
  const bytes = Buffer.from(JSON.stringify(body))
  reply.hijack()
  cut.add(reply)
  reply.raw.writeHead(200, { ...headersOf(reply), 'content-type': 'application/json', 'content-length': bytes.length })
  reply.raw.write(bytes.subarray(0, bytes.length >> 1), () => reply.raw.destroy())
}

/** A stream of server-sent events as vLLM writes them; its head goes out at once. */
export class EventStream {
  private readonly reply: FastifyReply
  /** Events left until the connection is cut. */
  private left: number

  constructor (reply: FastifyReply) {
    this.reply = reply
    const failure = broken.get(reply)
    this.left = failure === undefined ? Infinity : failure.afterChunks ?? 1
    reply.hijack()
    reply.raw.writeHead(200, { ...headersOf(reply), 'content-type': 'text/event-stream; charset=utf-8' })
    reply.raw.flushHeaders()
    if (this.left <= 0) setImmediate(this.cut)
  }

  /** One event; `event` names it, as `/v1/responses` does. */
  send (data: unknown, event?: string): void {
    this.write(`${event === undefined ? '' : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`)
  }

  /** The end of a completion's stream: `data: [DONE]`. */
  done (): void {
    this.write('data: [DONE]\n\n')
    this.end()
  }

  end (): void {
    if (this.left > 0) this.reply.raw.end()
  }

  private write (text: string): void {
    if (this.left <= 0) return
    if (--this.left > 0) this.reply.raw.write(text)
    else this.reply.raw.write(text, this.cut)
  }

  private readonly cut = (): void => {
    cut.add(this.reply)
    this.reply.raw.destroy()
  }
}

function headersOf (reply: FastifyReply): Record<string, number | string | string[]> {
  const headers: Record<string, number | string | string[]> = {}
  for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) headers[name] = value
  return headers
}
