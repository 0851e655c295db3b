// Pauses between attempts at the API server: they double, and chance spreads the routers of a cluster.

/** The first pause and the longest one, in milliseconds: a server that restarts is met again within seconds, one that is down is not stormed. */
const firstMs = 200
const longestMs = 5000

/** One series of attempts. */
export class Backoff {
  private readonly random: () => number
  private pause = firstMs

  constructor (random: () => number) {
    this.random = random
  }

  /** The next pause in milliseconds. */
  next (): number {
    const pause = this.pause
    this.pause = Math.min(pause * 2, longestMs)
    return pause * (0.5 + 0.5 * this.random())
  }

  /** An attempt went well: the next series begins anew. */
  reset (): void {
    this.pause = firstMs
  }
}
