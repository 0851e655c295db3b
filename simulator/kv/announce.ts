// Announces a worker to a router over ZMQ, again and again, as vLLM's P2pNccl and MoRI-IO connectors do.
import type { Clock, Timer } from '../../core/clock.ts'

/** Whom to tell, what, and how often. */
export interface Announcement {
  /** `HOST:PORT` of the router. */
  readonly to: string
  readonly message: object
  /** Name of the socket; P2pNccl uses its ZMQ address. */
  readonly identity?: string
  readonly intervalMs: number
  readonly clock: Clock
  /** A worker that is down says nothing. */
  readonly alive: () => boolean
}

/** Begins; resolves with what ends it. */
export async function announce ({ to, message, identity, intervalMs, clock, alive }: Announcement): Promise<() => void> {
  const [{ Dealer }, { encode }] = await Promise.all([import('zeromq'), import('@msgpack/msgpack')])
  const socket = new Dealer({ linger: 0, sendTimeout: 0, sendHighWaterMark: 4, ...(identity === undefined ? {} : { routingId: identity }) })
  socket.connect(`tcp://${to}`)
  const payload = encode(message)
  let timer: Timer | undefined
  function tell (): void {
    // a router that is not there gets it when it comes
    if (alive()) socket.send(payload).catch(() => {})
    timer = clock.after(intervalMs, tell)
  }
  tell()
  return () => {
    timer?.cancel()
    socket.close()
  }
}
