// Takes in what other processes sent to workers, a little at a time: nobody's request waits for a large batch.
import type { FastifyInstance } from 'fastify'
import type { Worker } from '../../core/worker.ts'
import { chainOf } from '../../openai/prefix-chain.ts'
import { disaggregationOf } from '../../plugins/disaggregation.ts'
import type { Prefixes } from './messages.ts'
import { eachPrefix, maxHashes } from './prefix-batch.ts'

/** Hashes taken in at once: half a millisecond's work. A single conversation may have more, up to 4,096. */
const atOnce = 1024
/** Hashes that wait at most; the oldest are dropped. */
const maxWaiting = 4 * maxHashes

/** One child's. */
export class Learner {
  /** Conversations that were dropped. */
  dropped = 0
  private readonly workerOf: (number: number) => Worker | undefined
  private readonly router: FastifyInstance
  private batches: Prefixes[] = []
  private hashes = 0
  private current: Iterator<[worker: number, hashes: number[]]> | undefined
  private done: Array<() => void> = []

  constructor (router: FastifyInstance, workerOf: (number: number) => Worker | undefined) {
    this.router = router
    this.workerOf = workerOf
  }

  learn (batches: readonly Prefixes[]): void {
    const idle = this.current === undefined
    for (const batch of batches) {
      this.batches.push(batch)
      this.hashes += batch.hashes.length
    }
    while (this.hashes > maxWaiting) {
      const oldest = this.batches.shift()
      if (oldest === undefined) break
      this.hashes -= oldest.hashes.length
      this.dropped += oldest.workers.length
    }
    if (idle) this.go()
  }

  /** Resolves when all that was told so far has been taken in. */
  async settled (): Promise<void> {
    if (this.current !== undefined) await new Promise<void>(resolve => this.done.push(resolve))
  }

  private readonly go = (): void => {
    for (let taken = 0; taken < atOnce;) {
      const next = this.current?.next()
      if (next?.done !== false) {
        const batch = this.batches.shift()
        if (batch === undefined) {
          this.current = undefined
          for (const tell of this.done.splice(0)) tell()
          return
        }
        this.hashes -= batch.hashes.length
        this.current = eachPrefix(batch)
        continue
      }
      const [number, hashes] = next.value
      taken += hashes.length
      this.take(number, hashes)
    }
    setImmediate(this.go)
  }

  private take (number: number, hashes: readonly number[]): void {
    const worker = this.workerOf(number)
    if (worker === undefined) return
    const chain = chainOf(hashes)
    this.router.balancer.policyOf(worker.role).heard?.(worker, chain)
    if (worker.role === 'decode') disaggregationOf(this.router)?.heard(worker, chain)
  }
}
