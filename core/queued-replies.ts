// Tells replies to pipelined requests that their client is gone: Node closes none whose turn has not come.
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Replies that wait for their turn, by connection. */
const queued = new WeakMap<Socket, Set<ServerResponse>>()

/** Makes sure that a reply which waits for its turn on `socket` is closed with it, so that those who end an account on `close` hear of it. */
export function closeWithSocket (reply: ServerResponse, socket: Socket): void {
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
  reply.once('close', () => replies.delete(reply))
}
