// Runs the answers of one HTTP request through an engine, and takes them out again the moment the client leaves.
import type { FastifyReply } from 'fastify'
import type { EngineHandle } from './sequence.ts'
import type { Choice, Serving } from './serving.ts'
import { blockHashes } from './tokens.ts'

/** Where and as what the answers are generated. */
export interface Placement {
  /** Index of the engine. */
  readonly rank: number
  readonly model: string
}

/** What the route hears. Nothing is called any more once the client has left or `abort` was called. */
export interface Listener {
  /** Token `index` of choice `choice` is there. */
  readonly onToken?: (choice: number, index: number) => void
  /** All choices have ended; `cached` tells for each the prompt tokens found in the prefix cache. */
  readonly onDone: (cached: readonly number[]) => void
}

/** Starts all choices on one engine. `reply` ties them to its client; without it they run on their own. */
export function generate (serving: Serving, place: Placement, choices: readonly Choice[], listener: Listener, reply?: FastifyReply): { abort (): void } {
  const engine = serving.engines[place.rank]
  if (engine === undefined) throw new RangeError(`no engine ${place.rank}`)
  const handles: EngineHandle[] = []
  const started = serving.clock.now()
  let left = choices.length
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
    const blocks = blockHashes([...prompt, ...output], engine.options.blockSize, serving.cacheSeed(place.model))
    handles.push(engine.submit({
      prompt: { blocks, tokens: prompt.length },
      maxTokens: output.length,
      ...(reason === 'stop' ? { stopAfter: output.length } : {}),
      onToken (index) {
        const now = serving.clock.now()
        const histogram = index === 0 ? serving.firstToken[place.rank] : serving.interToken[place.rank]
        histogram?.observe((now - last) / 1000)
        last = now
        if (!over) listener.onToken?.(at, index)
      },
      onFinished () {
        left--
        if (left > 0 || over) return
        over = true
        listener.onDone(handles.map(handle => handle.cachedTokens))
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
