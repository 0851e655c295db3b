// A row of prompts that share beginnings, for caches that are to be compared: conversations that go on by turns, more of them than fit.
import { PrefixNumbers } from '../../bench/replay/trace.ts'
import { randomFrom } from '../../bench/faults/random.ts'
import { Engine } from '../../simulator/engine.ts'
import { VirtualClock } from '../../simulator/virtual-clock.ts'

/** What a cache said of one prompt. */
export interface Asked {
  readonly prompt: readonly number[]
  readonly output: readonly number[]
  /** Prompt tokens found in the cache. */
  readonly cached: number
}

/** Asks whoever has the cache for an answer of so many tokens. */
export type Ask = (prompt: readonly number[], maxTokens: number) => Promise<{ output: readonly number[], cached: number }>

/** How large everything is, in tokens. */
export interface SequenceOptions {
  readonly seed: number
  readonly requests: number
  readonly conversations: number
  /** Ids are from 1 to this. */
  readonly vocabulary: number
  /** What half of the conversations begin with. */
  readonly system: number
  /** Longest prompt; then the conversation begins anew. */
  readonly longest: number
  /** Longest answer. */
  readonly answer: number
}

/** Asks one prompt after the other: turns of conversations by chance, now and then one again or one that parts from another in its middle. */
export async function askAll (ask: Ask, { seed, requests, conversations, vocabulary, system, longest, answer }: SequenceOptions): Promise<Asked[]> {
  const random = randomFrom(seed)
  const whole = (below: number): number => Math.floor(random() * below)
  const tokens = (count: number): number[] => Array.from({ length: count }, () => 1 + whole(vocabulary))
  const shared = tokens(system)
  const begun = (who: number): number[] => who % 2 === 0 ? [...shared, ...tokens(1 + whole(40))] : tokens(10 + whole(60))
  const texts = Array.from({ length: conversations }, (_, who) => begun(who))
  const asked: Asked[] = []
  for (let i = 0; i < requests; i++) {
    const who = whole(conversations)
    let prompt = texts[who] ?? []
    if (random() < 0.15) prompt = [...prompt.slice(0, 1 + whole(prompt.length)), ...tokens(1 + whole(30))]
    else prompt = [...prompt, ...tokens(whole(50))]
    if (prompt.length > longest) prompt = begun(who)
    const { output, cached } = await ask(prompt, 1 + whole(answer))
    asked.push({ prompt, output, cached })
    // some clients ask again and drop the answer
    if (random() < 0.8) texts[who] = [...prompt, ...output]
  }
  return asked
}

/** The same row for the engine of replays, which knows prompts by the numbers of their blocks: what it finds in its cache. */
export function replayed (asked: readonly Asked[], blockSize: number, kvBlocks: number): number[] {
  const clock = new VirtualClock()
  const engine = new Engine({ blockSize, kvBlocks }, clock)
  const numbers = new PrefixNumbers()
  return asked.map(({ prompt, output }) => {
    const all = [...prompt, ...output]
    const whole = Math.floor(all.length / blockSize)
    const blocks = numbers.chain(Array.from({ length: whole }, (_, at) => all.slice(at * blockSize, (at + 1) * blockSize).join()))
    const handle = engine.submit({ prompt: { blocks, tokens: prompt.length }, maxTokens: output.length })
    clock.run()
    return handle.cachedTokens
  })
}
