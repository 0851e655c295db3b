// Finds the candidate with the smallest number, equals by chance, in time that hardly grows with the fleet.
import type { Candidates } from '../core/candidates.ts'
import type { Worker } from '../core/worker.ts'
import { candidateAt } from './choose.ts'
import type { Decision, PolicyContext } from './policy.ts'

/** Changes remembered for lists that are not asked now; one that missed more is counted anew. A power of two. */
const remembered = 1024
/** All numbers are read anew after so many milliseconds, for what changes without anybody saying so. */
const freshMs = 1000

/** A tournament over one candidate list: every node knows the least number below it, and how many leaves have it. */
class Tournament {
  /** How many changes it has taken over, and how often all numbers had been read anew. */
  seen = 0
  round = 0
  private readonly workers: readonly Worker[]
  private readonly places = new Map<Worker, number>()
  /** Leaves begin here; node n stands above 2n and 2n + 1, and node 1 above all. */
  private readonly leaves: number
  private readonly least: Float64Array
  private readonly ties: Uint32Array

  constructor (workers: readonly Worker[]) {
    this.workers = workers
    this.leaves = 2 ** Math.ceil(Math.log2(Math.max(1, workers.length)))
    this.least = new Float64Array(2 * this.leaves).fill(Infinity)
    this.ties = new Uint32Array(2 * this.leaves)
    workers.forEach((worker, at) => {
      this.places.set(worker, this.leaves + at)
      this.ties[this.leaves + at] = 1
    })
  }

  /** Candidates with the least number. */
  get equals (): number {
    return this.ties[1] as number
  }

  readAll (numberOf: (worker: Worker) => number): void {
    this.workers.forEach((worker, at) => { this.least[this.leaves + at] = numberOf(worker) })
    for (let node = this.leaves - 1; node > 0; node--) this.play(node)
  }

  read (worker: Worker, numberOf: (worker: Worker) => number): void {
    const place = this.places.get(worker)
    if (place === undefined) return
    const number = numberOf(worker)
    if (this.least[place] === number) return
    this.least[place] = number
    for (let node = place >>> 1; node > 0; node >>>= 1) this.play(node)
  }

  /** The `index`-th of the equals. */
  winner (index: number): Worker {
    let node = 1
    while (node < this.leaves) {
      node *= 2
      const ties = this.ties[node] as number
      if (this.least[node] !== this.least[node >>> 1]) node++
      else if (index >= ties) {
        index -= ties
        node++
      }
    }
    return this.workers[node - this.leaves] as Worker
  }

  private play (node: number): void {
    const left = 2 * node
    const one = this.least[left] as number
    const other = this.least[left + 1] as number
    this.least[node] = Math.min(one, other)
    this.ties[node] = (one <= other ? this.ties[left] as number : 0) + (other <= one ? this.ties[left + 1] as number : 0)
  }
}

/**
 * Keeps a tournament for each candidate list. A change of a worker's number is noted once and taken over by a list when that is
 * asked, in logarithmic time; so it costs little however many lists a worker is in. Lists and workers are held only as long as others
 * hold them; `forget` lets a worker go at once.
 */
export class LeastBy {
  private readonly context: PolicyContext
  private readonly numberOf: (worker: Worker) => number
  private readonly lists = new WeakMap<Candidates, Tournament>()
  private readonly changes: Array<Worker | undefined> = Array.from({ length: remembered }, () => undefined)
  private noted = 0
  private round = 1
  private roundAt: number

  /** @param numberOf asked when a worker is looked at; equals must be exactly equal */
  constructor (context: PolicyContext, numberOf: (worker: Worker) => number) {
    this.context = context
    this.numberOf = numberOf
    this.roundAt = context.now()
  }

  /** The number of this worker is another now. */
  changed (worker: Worker): void {
    this.changes[this.noted++ & (remembered - 1)] = worker
  }

  /** The numbers of all workers are others now. */
  allChanged (): void {
    this.round++
  }

  /** The worker leaves. */
  forget (worker: Worker): void {
    this.changes.forEach((noted, at) => { if (noted === worker) this.changes[at] = undefined })
  }

  /** A candidate with the least number. */
  choose (candidates: Candidates): Decision {
    const { workers } = candidates
    if (workers.length === 1) return { worker: candidateAt(candidates, 0), reason: 'only_candidate' }
    const tournament = this.of(candidates)
    const { equals } = tournament
    const worker = tournament.winner(equals === 1 ? 0 : Math.floor(this.context.random() * equals))
    return { worker, reason: equals === 1 ? 'lower_load' : 'equal_load' }
  }

  private of (candidates: Candidates): Tournament {
    const now = this.context.now()
    if (now - this.roundAt >= freshMs) {
      this.roundAt = now
      this.allChanged()
    }
    let tournament = this.lists.get(candidates)
    if (tournament === undefined) {
      tournament = new Tournament(candidates.workers)
      // a part of a list is asked once, for a repeated attempt
      if (candidates === candidates.whole) this.lists.set(candidates, tournament)
    }
    if (tournament.round !== this.round || this.noted - tournament.seen > remembered) {
      tournament.readAll(this.numberOf)
      tournament.round = this.round
    } else {
      for (let at = tournament.seen; at < this.noted; at++) {
        const worker = this.changes[at & (remembered - 1)]
        if (worker !== undefined) tournament.read(worker, this.numberOf)
      }
    }
    tournament.seen = this.noted
    return tournament
  }
}
