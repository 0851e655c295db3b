// The mixed load: streamed chats, completions, and small requests that go the other way out, of many sessions.
import { randomFrom } from './random.ts'

/** One request to be sent. */
export interface Shot {
  readonly path: string
  readonly body: string
  readonly headers: Record<string, string>
  /** Answered with an event stream. */
  readonly stream: boolean
}

const words = ['river', 'stone', 'light', 'seven', 'under', 'green', 'paper', 'north', 'cloud', 'early', 'glass', 'train']

/** Conversations under way at the same time: so many that a hash spreads them evenly over a few workers, which is not what is measured here. */
const sessions = 2000

/**
 * An endless row of requests, the same for the same seed: 60 % streamed chats of 20 tokens, 20 % completions of 20 tokens,
 * 10 % tokenize, 10 % embeddings; prompts of about 200 tokens, each with a beginning of its session and an end of its own.
 */
export function * shots (seed: number): Generator<Shot, never> {
  const random = randomFrom(seed)
  const some = (below: number): number => Math.floor(random() * below)
  const text = (length: number): string => Array.from({ length }, () => words[some(words.length)]).join(' ')
  const openings = Array.from({ length: sessions }, (_, at) => `${at} ${text(16)}`)
  for (let at = 0; ; at++) {
    const session = some(sessions)
    const kind = some(10)
    const prompt = `${openings[session]} ${at} ${text(80)}`
    const headers = { 'content-type': 'application/json', 'x-session-id': `session-${session}`, 'x-request-id': `shot-${seed}-${at}` }
    const shot = (path: string, body: object, stream = false): Shot => ({ path, body: JSON.stringify({ model: 'simulated', ...body }), headers, stream })
    if (kind < 6) yield shot('/v1/chat/completions', { stream: true, max_tokens: 20, messages: [{ role: 'user', content: prompt }] }, true)
    else if (kind < 8) yield shot('/v1/completions', { prompt, max_tokens: 20 })
    else if (kind < 9) yield shot('/tokenize', { prompt })
    else yield shot('/v1/embeddings', { input: prompt })
  }
}
