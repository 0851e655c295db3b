// Bounds what is read of a body that nobody wants, behind an answer given before it.
import type { IncomingMessage, ServerResponse } from 'node:http'

/**
 * To be called before a request is answered whose body has not been read. Node reads and drops what the client still sends, so
 * that it sees the answer and can use its connection again; one that has not come to the end `limitMs` after the answer is cut.
 */
export function dropUnreadBody (request: IncomingMessage, reply: ServerResponse, limitMs: number): void {
  const { headers } = request
  if (request.httpVersionMajor > 1 || (headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0')) return
  reply.once('finish', () => {
    // not the socket itself: a request that was injected has none that could be destroyed
    const timer = setTimeout(() => { if (!request.complete) request.destroy() }, limitMs)
    timer.unref()
    request.once('close', () => clearTimeout(timer))
  })
}
