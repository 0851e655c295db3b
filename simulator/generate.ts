// Runs the answers of one HTTP request through an engine, and takes them out again the moment the client leaves.
import type { FastifyReply } from 'fastify'
import type { KvLeg } from './kv/transfers.ts'
import type { EngineHandle } from './sequence.ts'
import type { Choice, Serving } from './serving.ts'
import { blockHashes } from './tokens.ts'

/** Where and as what the answers are generated. */
export interface Placement {
  /** Index of the engine. */
  readonly rank: number
  readonly model: string
  /** Where the prompts' blocks come from and go to; default: they stay. */
  readonly kv?: KvLeg | undefined
}

/** What the route hears. Nothing is called any more once the client has left or `abort` was called. */
export interface Listener {
  /** Token `index` of choice `choice` is there. */
  readonly onToken?: (choice: number, index: number) => void
  /** All choices have ended; `cached` tells for each the prompt tokens that were not computed, `kvParams` how others get the blocks. */
  readonly onDone: (cached: readonly number[], kvParams: object | null) => void
  /** Blocks were not to be had, and there is no answer; default: as `onDone`. */
  readonly onFailed?: () => void
}

/** Starts all choices on one engine. `reply` ties them to its client; without it they run on their own. */
export function generate (serving: Serving, place: Placement, choices: readonly Choice[], listener: Listener, reply?: FastifyReply): { abort (): void } {
  const engine = serving.engines[place.rank]
  if (engine === undefined) throw new RangeError(`no engine ${place.rank}`)
  const handles: EngineHandle[] = []
  const started = serving.clock.now()
  const { kv } = place
  let left = choices.length
  let failed = false
  let kvParams: object | null = null
  let over = false

  function abort (): void {
    if (over) return
    over = true
    for (const handle of handles) handle.abort()
  }

  if (reply !== undefined) {
    if (reply.raw.destroyed) return { abort }
    reply.raw.once('close', abort)
  }
  choices.forEach(({ prompt, output, reason }, at) => {
    let last = started
    const load = kv?.load(prompt, at)
    const blocks = blockHashes([...prompt, ...output], engine.options.blockSize, serving.cacheSeed(place.model))
    handles.push(engine.submit({
      prompt: { blocks, tokens: prompt.length },
      maxTokens: output.length,
      ...(reason === 'stop' ? { stopAfter: output.length } : {}),
      ...(kv?.keepBlocks === true ? { keepBlocks: true } : {}),
      ...(load === undefined ? {} : { load }),
      onToken (index) {
        const now = serving.clock.now()
        const histogram = index === 0 ? serving.firstToken[place.rank] : serving.interToken[place.rank]
        histogram?.observe((now - last) / 1000)
        last = now
        if (!over) listener.onToken?.(at, index)
      },
      onFinished (why) {
        const handle = handles[at]
        if (why === 'error') failed = true
        else if (why !== 'abort' && handle !== undefined) kvParams = kv?.finished(prompt, handle, at) ?? kvParams
        left--
        if (left > 0 || over) return
        over = true
        if (failed && listener.onFailed !== undefined) listener.onFailed()
        else listener.onDone(handles.map(({ cachedTokens, loadedTokens }) => kv?.cachedTokens ?? cachedTokens + loadedTokens), kvParams)
      }
    }))
  })
  return { abort }
}

/** Adds up token counts. */
export function sum (numbers: Iterable<number>): number {
  let total = 0
  for (const number of numbers) total += number
  return total
}
