// What a micro-benchmark is, and how one is timed.

/** One hot piece of the router, doing its work once. */
export interface Piece {
  readonly name: string
  /** CPU it may take, in microseconds: a little more than it took where it was written. */
  readonly budgetUs: number
  /** Returns something that depends on the work, so that none of it is left out. */
  run (): unknown
}

/** How long to look. */
export interface Effort {
  /** CPU spent before anything counts, and runs made by then, unless they take 25 times as long. */
  readonly warmupMs: number
  readonly warmupRuns: number
  readonly batchMs: number
  readonly batches: number
  /** Which batch counts, by its place among all of them: 0 is the fastest, 0.5 the one in the middle. */
  readonly share: number
}

/** As `npm run bench:micro` looks. */
export const thorough: Effort = { warmupMs: 40, warmupRuns: 20_000, batchMs: 10, batches: 15, share: 0.5 }
/** As `npm test` looks. */
export const quick: Effort = { warmupMs: 4, warmupRuns: 3000, batchMs: 1, batches: 4, share: 0 }

let sink: unknown

/** Microseconds of CPU of the process so far. It goes on while the process runs only, so a busy machine does not lengthen it. */
function cpuUs (): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

function batch (piece: Piece, times: number): number {
  const before = cpuUs()
  for (let i = 0; i < times; i++) sink = piece.run()
  return cpuUs() - before
}

/** Microseconds of CPU for one run of a piece, collecting garbage and compiling included. */
export function microseconds (piece: Piece, { warmupMs, warmupRuns, batchMs, batches, share }: Effort): number {
  let times = 1
  let took = 0
  for (let spent = 0, runs = 0; spent < warmupMs * 1000 || (runs < warmupRuns && spent < 25 * warmupMs * 1000); spent += took, runs += times) {
    // a batch too short for the clock says nothing
    if (took < batchMs * 500) times *= 2
    took = batch(piece, times)
  }
  times = Math.max(1, Math.round(times * batchMs * 1000 / Math.max(took, 1)))
  const each = Array.from({ length: batches }, () => batch(piece, times) / times).sort((a, b) => a - b)
  return each[Math.floor(batches * share)] ?? NaN
}

/** Last result of all, for those who want to be sure that work was done. */
export function lastResult (): unknown {
  return sink
}
