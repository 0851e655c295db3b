// The toy tokenizer gives texts back, keeps prefixes, and an answer that comes back in the next turn has the tokens it was made of.
import fc from 'fast-check'
import t from 'tap'
import { blockHashes, detokenize, renderChat, tokenize } from '../../simulator/index.ts'
import { tokenText, wordToken } from '../../simulator/tokens.ts'

t.test('any text comes back', async t => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), text => detokenize(tokenize(text)) === text), { seed: 5 })
  t.equal(detokenize(tokenize('naïve \0 <tags>\n  and 😀')), 'naïve \0 <tags>\n  and 😀')
  t.equal(tokenize('a tokenizer takes about four characters').length, 13, 'some three characters a token')
  t.equal(tokenText(2 ** 30), '\ufffd')
})

t.test('texts with a common beginning have the same tokens up to the piece where they part', async t => {
  fc.assert(fc.property(fc.string(), fc.string(), fc.string(), (start, one, other) => {
    const common = tokenize(start).length - 1
    const a = tokenize(start + one)
    const b = tokenize(start + other)
    for (let at = 0; at < common; at++) if (a[at] !== b[at]) return false
    return true
  }), { seed: 5 })
  t.same(tokenize('one two three', 2), tokenize('one two three').slice(0, 2), 'a limit cuts and changes nothing')
})

t.test('the prompt of the next turn begins with this prompt and its answer', async t => {
  const first = [{ role: 'user', content: 'Hello?' }]
  const prompt = tokenize(renderChat(first))
  const answer = Array.from({ length: 9 }, (_, at) => wordToken(42, at))
  const next = tokenize(renderChat([...first, { role: 'assistant', content: detokenize(answer) }, { role: 'user', content: [{ type: 'text', text: 'And?' }] }]))
  t.same(next.slice(0, prompt.length + answer.length), [...prompt, ...answer])
})

t.test('a block hash tells of everything before it', async t => {
  const ids = Array.from({ length: 70 }, (_, at) => at)
  const hashes = blockHashes(ids, 16)
  t.equal(hashes.length, 4)
  t.same(blockHashes(ids.slice(0, 40), 16), hashes.slice(0, 2))
  const changed = blockHashes([99, ...ids.slice(1)], 16)
  t.ok(hashes.every((hash, at) => hash !== changed[at]))
  t.ok(hashes.every((hash, at) => hash !== blockHashes(ids, 16, 1)[at]), 'another seed, another chain')
})
