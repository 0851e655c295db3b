// What a trace is to the replay, whatever file it came from: requests as blocks of tokens, at moments or in sessions.

/** One request: no text, only how long it is and which blocks it shares with others. */
export interface ReplayRequest {
  /**
   * A number for each whole block of the prompt that stands for the block *and everything before it*; entries past the prompt
   * name the blocks its answer fills, where the trace tells.
   */
  readonly blocks: readonly number[]
  /** Tokens of the prompt. */
  readonly tokens: number
  /** Tokens of the answer. */
  readonly output: number
  /** The client's own session id, where it sends one. */
  readonly session: string | undefined
  /** Blocks at the beginning that are everybody's, such as a system prompt; default 0. */
  readonly head?: number
}

/** A request of an open loop: it comes at its moment, whatever became of those before. */
export interface Arrival extends ReplayRequest {
  /** Milliseconds since the trace began. */
  readonly at: number
}

/** A request of a closed loop: it comes so long after the answer to the one before. */
export interface Turn extends ReplayRequest {
  readonly thinkMs: number
}

interface Common {
  readonly name: string
  /** Tokens in a block. */
  readonly blockSize: number
}

/** Requests by moment, in order. */
export interface OpenTrace extends Common {
  readonly loop: 'open'
  readonly arrivals: readonly Arrival[]
}

/** Sessions, each a row of turns. */
export interface ClosedTrace extends Common {
  readonly loop: 'closed'
  readonly sessions: ReadonlyArray<readonly Turn[]>
}

export type Trace = OpenTrace | ClosedTrace

/**
 * Numbers for prefixes: the same block after the same prefix has the same number, and the same block after another prefix a
 * different one. One for all traces of a replay, so that what they share is shared.
 */
export class PrefixNumbers {
  private readonly known = new Map<string, number>()
  private next = 1

  /** The number of `block` after the prefix `before` (0 = nothing). */
  after (before: number, block: string | number): number {
    const key = `${before}:${block}`
    let number = this.known.get(key)
    if (number === undefined) this.known.set(key, number = this.next++)
    return number
  }

  /** The chain of a row of blocks that begins after `start`. */
  chain (blocks: ReadonlyArray<string | number>, start = 0): number[] {
    let before = start
    return blocks.map(block => (before = this.after(before, block)))
  }

  /** A number nobody shares. */
  fresh (): number {
    return this.next++
  }
}
