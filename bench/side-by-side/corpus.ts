// The requests that are sent: bodies of a certain length whose prompts never repeat, and conversations that grow.
// What the load generator makes of a corpus file stands in bench/native/load.c.
import { randomFrom } from '../faults/random.ts'

/** Replaced by the load generator. */
const mark = '~'.repeat(16)

const words = ['river', 'stone', 'light', 'seven', 'under', 'green', 'paper', 'north', 'cloud', 'early', 'glass', 'train', 'winter', 'market', 'silver', 'garden']

/** Which requests a scenario sends. */
export type Corpus =
  /** One request of so many bytes, distinct from the first word of its prompt on each time. */
  | { readonly kind: 'distinct', readonly bytes: number }
  /** Conversations of several turns: their first bytes are a system prompt that several share. */
  | { readonly kind: 'turns', readonly conversations: number, readonly turns: number, readonly systemBytes: number, readonly turnBytes: number }

/** Text without marks, the same for the same seed. */
function text (bytes: number, seed: number): string {
  const random = randomFrom(seed)
  let made = ''
  while (made.length < bytes) made += `${words[Math.floor(random() * words.length)] ?? ''} `
  return made.slice(0, Math.max(0, bytes))
}

/** Text with a mark at its start and after each quarter of a kilobyte. */
function distinctText (bytes: number): string {
  let made = ''
  for (let seed = 1; made.length < bytes; seed++) made += `${mark} ${text(239, seed)}`
  return bytes < mark.length ? made.slice(0, bytes) : made.slice(0, bytes).replace(/~{1,15}$/, tail => 'x'.repeat(tail.length))
}

interface Message {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

function body (stream: boolean, messages: readonly Message[]): string {
  return JSON.stringify({ model: 'bench', user: mark, stream, max_tokens: 32, messages })
}

function distinct (bytes: number, stream: boolean): string {
  const system: Message = { role: 'system', content: 'You are a helpful assistant.' }
  const around = body(stream, [system, { role: 'user', content: '' }]).length
  return body(stream, [system, { role: 'user', content: distinctText(bytes - around) }])
}

function conversation (index: number, corpus: Corpus & { kind: 'turns' }, stream: boolean): string {
  const messages: Message[] = [{ role: 'system', content: text(corpus.systemBytes, 1000 + index % 4) }]
  const bodies: string[] = []
  for (let turn = 0; turn < corpus.turns; turn++) {
    messages.push({ role: 'user', content: `${mark} ${text(corpus.turnBytes / 4, index * 100 + turn)}` })
    bodies.push(body(stream, messages))
    messages.push({ role: 'assistant', content: text(corpus.turnBytes * 3 / 4, index * 100 + turn + 50) })
  }
  return bodies.join('\n')
}

/** The corpus as a file: a body a line, an empty line after each conversation. */
export function corpusText (corpus: Corpus, stream: boolean): string {
  if (corpus.kind === 'distinct') return distinct(corpus.bytes, stream) + '\n'
  return Array.from({ length: corpus.conversations }, (_, index) => conversation(index, corpus, stream) + '\n\n').join('')
}
