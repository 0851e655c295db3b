// The chain of a conversation is a beginning of the chain of its next turn, and of no other conversation's.
import fc from 'fast-check'
import t from 'tap'
import type { PrefixChain } from '../../core/routing.ts'
import { prefixChain } from '../../openai/prefix-chain.ts'
import { RequestRouting } from '../../openai/routing.ts'
import { check } from './property.ts'

function chain (path: string, body: object | string): PrefixChain {
  return new RequestRouting(path, {}, Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))).prefix
}

/** How many blocks two chains have in common; every one after the first that differs must differ. */
function shared (a: PrefixChain, b: PrefixChain): number {
  const least = Math.min(a.hashes.length, b.hashes.length)
  let n = 0
  while (n < least && a.hashes[n] === b.hashes[n]) n++
  for (let i = n; i < least; i++) if (a.hashes[i] === b.hashes[i]) throw new Error('equal hashes after a difference')
  return n
}

const words = fc.tuple(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), fc.nat(120)).map(([text, n]) => text.repeat(n))

t.test('chat turns, however they are written', t => {
  const turns = fc.array(fc.record({ role: fc.constantFrom('user', 'assistant', 'system'), content: words }), { minLength: 2, maxLength: 10 })
  let blocks = 0
  check(t, 'append-only messages', fc.property(turns, fc.nat(), fc.constantFrom(0, 1, 3), fc.boolean(), (turns, place, indent, responses) => {
    const kept = 1 + place % (turns.length - 1)
    const path = responses ? '/v1/responses' : '/v1/chat/completions'
    const write = (n: number): string => JSON.stringify({ stream: n % 2 === 0, [responses ? 'input' : 'messages']: turns.slice(0, n), model: 'm' }, null, indent)
    const before = chain(path, write(kept))
    const after = chain(path, write(turns.length))
    if (shared(before, after) !== before.hashes.length) throw new Error('not a beginning')
    if (before.length >= after.length) throw new Error('not longer')
    blocks += before.hashes.length
  }))
  t.ok(blocks > 1_000, `${blocks} blocks compared`)
  t.end()
})

t.test('prompts and tokens', t => {
  check(t, 'append-only prompts', fc.property(words, words, (first, second) => {
    const before = chain('/v1/completions', { model: 'm', prompt: first })
    if (shared(before, chain('/v1/completions', { model: 'm', prompt: first + second })) !== before.hashes.length) throw new Error('prompt')
  }))
  // At every length, so that the closing quote and bracket fall on both sides of a block's end.
  for (let n = 200; n < 600; n++) {
    const string = chain('/v1/completions', { prompt: 'x'.repeat(n) })
    t.equal(shared(string, chain('/v1/completions', { prompt: 'x'.repeat(n + 300) })), string.hashes.length)
    const tokens = Array.from({ length: n }, () => 7)
    const ids = chain('/inference/v1/generate', { token_ids: tokens })
    t.equal(shared(ids, chain('/inference/v1/generate', { token_ids: [...tokens, 1, 2, 3] })), ids.hashes.length)
  }
  t.end()
})

t.test('one byte more or less parts the chains from its block on', t => {
  check(t, 'changed byte', fc.property(fc.nat(20_000), fc.integer({ min: 1, max: 255 }), (at, change) => {
    const bytes = Buffer.alloc(20_480, 'The quick brown fox. ')
    const other = Buffer.from(bytes)
    other[at] = (other[at] ?? 0) ^ change
    const a = prefixChain(bytes, 1)
    const expected = a.ends.findIndex(end => end > at)
    if (shared(a, prefixChain(other, 1)) !== (expected === -1 ? a.ends.length : expected)) throw new Error(`at ${at}`)
  }))
  t.end()
})

t.test('what changes the KV cache makes another chain', t => {
  const messages = [{ role: 'user', content: 'x'.repeat(3_000) }]
  const base = { model: 'm', messages }
  const variants: object[] = [
    base, { ...base, model: 'n' }, { ...base, tools: [{ a: 1 }] }, { ...base, tools: [{ a: 2 }] }, { ...base, system: 's' }, { ...base, instructions: 's' },
    { ...base, cache_salt: 's' }, { ...base, system: 's', cache_salt: 's' }, { messages }
  ]
  const chains = variants.map(body => chain('/v1/chat/completions', body))
  for (const [i, a] of chains.entries()) {
    t.equal(a.hashes.length, 11)
    for (const b of chains.slice(i + 1)) t.equal(shared(a, b), 0)
  }
  const same = [{ ...base, temperature: 1, user: 'u' }, { stream: true, ...base }, { ...base, tools: null }]
  for (const body of same) t.equal(shared(chains[0] ?? prefixChain(new Uint8Array(0), 0), chain('/v1/chat/completions', body)), 11, 'and nothing else does')
  t.end()
})
