// The blocks a prefill worker has told others of: it checks who comes for them, and with what.
import type { Clock } from '../../core/clock.ts'
import type { Hold } from '../holds.ts'
import { isSamePrompt } from './plan.ts'
import type { PromptMark, TransferResult } from './plan.ts'

/** Offers remembered after their blocks were given back, to tell a second coming from a foreign one. */
const remembered = 1000
/** Askers that may wait for blocks that are not there yet. */
const mostWaiting = 10_000

/** What an asker names. */
export interface Wanted {
  readonly key: string
  /** Engine it expects to find, or that engine's rank. */
  readonly engineId?: string | undefined
  readonly rank?: number | undefined
  /** How many ranks it believes there are. */
  readonly ranks?: number | undefined
  readonly mark: PromptMark
  /** Milliseconds to wait for blocks that nobody has offered yet. */
  readonly waitMs: number
}

interface Offer {
  readonly rank: number
  readonly hold: Hold
  readonly mark: PromptMark
}

/** One worker's offers by the names they may be asked for. */
export class KvOffers {
  private readonly engineIds: readonly string[]
  private readonly clock: Clock
  private readonly offers = new Map<string, Offer>()
  /** Who waits for a name to be offered. */
  private readonly waiting = new Map<string, Set<() => void>>()
  private askers = 0

  constructor (engineIds: readonly string[], clock: Clock) {
    this.engineIds = engineIds
    this.clock = clock
  }

  /** From now on the blocks can be asked for. */
  add (keys: readonly string[], offer: Offer): void {
    for (const key of keys) {
      this.offers.set(key, offer)
      for (const wake of this.waiting.get(key) ?? []) wake()
    }
    let extra = this.offers.size - remembered
    for (const [key, { hold }] of this.offers) {
      if (extra <= 0) break
      if (hold.state === 'held') continue
      this.offers.delete(key)
      extra--
    }
  }

  /** Says whether the blocks may be had; they stay held until `release`. */
  async ask (wanted: Wanted, signal: AbortSignal): Promise<TransferResult> {
    const rank = wanted.engineId === undefined ? wanted.rank : this.engineIds.indexOf(wanted.engineId)
    if (rank === -1) return 'stale'
    if (wanted.ranks !== undefined && wanted.ranks !== this.engineIds.length) return 'wrong_rank'
    if (!this.offers.has(wanted.key) && wanted.waitMs > 0) await this.appears(wanted.key, wanted.waitMs, signal)
    const offer = this.offers.get(wanted.key)
    if (offer === undefined) return wanted.waitMs > 0 ? 'timeout' : 'foreign'
    if (rank !== undefined && rank !== offer.rank) return 'wrong_rank'
    if (offer.hold.state === 'expired') return 'stale'
    if (!isSamePrompt(offer.mark, wanted.mark)) return 'foreign'
    return offer.hold.state === 'held' ? 'ok' : 'repeated'
  }

  /** The blocks have been fetched, or will not be. */
  release (key: string, engineId: string | undefined): void {
    const offer = this.offers.get(key)
    if (offer !== undefined && (engineId === undefined || this.engineIds[offer.rank] === engineId)) offer.hold.release()
  }

  /** Resolves when the name is offered, after `waitMs`, or when the asker leaves. */
  private async appears (key: string, waitMs: number, signal: AbortSignal): Promise<void> {
    if (this.askers >= mostWaiting || signal.aborted) return
    this.askers++
    const here = this.waiting.get(key) ?? new Set()
    this.waiting.set(key, here)
    await new Promise<void>(resolve => {
      const wake = (): void => {
        timer.cancel()
        signal.removeEventListener('abort', wake)
        here.delete(wake)
        if (here.size === 0) this.waiting.delete(key)
        resolve()
      }
      const timer = this.clock.after(waitMs, wake)
      signal.addEventListener('abort', wake)
      here.add(wake)
    })
    this.askers--
  }
}
