// Ends a server well: told to load balancers first, then closed to new connections, then, after a while, by force.
import type { FastifyInstance } from 'fastify'

/** How long to wait for what. */
export interface EndOptions {
  /** Milliseconds in which requests are still taken. */
  readonly delayMs: number
  /** Milliseconds requests in flight then get. */
  readonly timeoutMs: number
}

/** Milliseconds for the last words of answers that are ended, before connections are cut. */
const lastWordsMs = 1000

/**
 * Closes `app`.
 * @param router the router's own scope
 * @returns how many requests had to be ended; 0 when all finished by themselves
 */
export async function endGracefully (app: Pick<FastifyInstance, 'close'>, router: FastifyInstance, { delayMs, timeoutMs }: EndOptions): Promise<number> {
  router.drain()
  if (delayMs > 0) await new Promise(resolve => setTimeout(resolve, delayMs))
  let closed = false
  const closing = Promise.resolve(app.close()).then(() => { closed = true })
  if (await within(closing, timeoutMs)) return 0
  const ended = router.endRequests()
  if (!await within(closing, lastWordsMs)) {
    router.cutConnections()
    await within(closing, lastWordsMs)
  }
  // what is left was no request: a connection, or a part of the application that does not end
  return closed && ended === 0 ? 0 : Math.max(ended, 1)
}

async function within (done: Promise<void>, limitMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  try {
    return await Promise.race([done.then(() => true), new Promise<false>(resolve => { timer = setTimeout(resolve, limitMs, false) })])
  } finally {
    clearTimeout(timer)
  }
}
