// Tells replies that their client is gone where Node does not: replies to pipelined requests whose turn has not come, and to HEAD over HTTP/2.
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { http2Stream } from './reply.ts'
import { whenClosed } from './reply-end.ts'

/** Replies that wait for their turn, by connection. */
const queued = new WeakMap<Socket, Set<ServerResponse>>()

/** Makes sure that a reply is closed when its client leaves, so that those who end an account on `close` hear of it. */
export function closeWithSocket (reply: ServerResponse, socket: Socket): void {
  const stream = http2Stream(reply)
  if (stream !== undefined) {
    // Node keeps `close` back from a reply to HEAD until somebody ends it
    if (reply.req.method === 'HEAD') stream.once('close', () => { if (!reply.writableEnded) reply.emit('close') })
    return
  }
  if (reply.socket !== null) return
  const replies = queued.get(socket) ?? new Set()
  if (!queued.has(socket)) {
    queued.set(socket, replies)
    socket.once('close', () => {
      for (const waiting of replies) {
        if (waiting.socket !== null) continue
        waiting.destroy()
        waiting.emit('close')
      }
    })
  }
  replies.add(reply)
  whenClosed(reply, () => replies.delete(reply))
}
