// Scenarios made from a trace keep what they do not change.
import { join } from 'node:path'
import t from 'tap'
import { readTraces } from '../../bench/replay/formats.ts'
import { PrefixNumbers } from '../../bench/replay/trace.ts'
import type { OpenTrace, Trace } from '../../bench/replay/trace.ts'
import { copies, cut, sharedPromptTokens, shiftedAnswerFactor, transforms } from '../../bench/replay/transforms.ts'

const numbers = new PrefixNumbers()
const [mooncake] = readTraces('mooncake', [join('test/fixtures/traces/mooncake-conversation.jsonl')], numbers)
const [sessions] = readTraces('session', ['trace_0019.json', 'trace_0052.json'].map(name => join('test/fixtures/traces', name)), numbers)
if (mooncake?.loop !== 'open' || sessions?.loop !== 'closed') throw new Error('no traces')

/** How many leading blocks two requests share. */
function shared (one: readonly number[], two: readonly number[]): number {
  const at = one.findIndex((block, index) => block !== two[index])
  return at === -1 ? one.length : at
}

const open = (trace: Trace): OpenTrace => {
  if (trace.loop !== 'open') throw new Error('not open')
  return trace
}

t.test('shared-prompt', async t => {
  const made = open(transforms['shared-prompt'](mooncake, numbers))
  const blocks = Math.ceil(sharedPromptTokens / 512)
  for (const [at, { tokens, blocks: own, head }] of made.arrivals.entries()) {
    const before = mooncake.arrivals[at]
    if (before === undefined) throw new Error('one too many')
    t.equal(tokens, before.tokens + blocks * 512)
    t.equal(head, blocks)
    t.ok(shared(own, made.arrivals[0]?.blocks ?? []) >= blocks, 'with everybody')
    const [next, nextBefore] = [made.arrivals[at + 1], mooncake.arrivals[at + 1]]
    if (next !== undefined && nextBefore !== undefined) t.equal(shared(own, next.blocks), shared(before.blocks, nextBefore.blocks) + blocks, 'and what they shared before')
  }
  t.same(transforms['shared-prompt'](mooncake, numbers), made, 'the same each time')
})

t.test('no-sessions', async t => {
  const made = transforms['no-sessions'](sessions)
  if (made.loop !== 'closed') throw new Error('not closed')
  const flat = made.sessions.flat()
  t.ok(sessions.sessions.flat().every(({ session }) => session !== undefined))
  t.ok(flat.every(({ session }) => session === undefined))
  t.same(flat.map(({ blocks }) => blocks), sessions.sessions.flat().map(({ blocks }) => blocks))
})

t.test('shift', async t => {
  const { arrivals } = transforms.shift(mooncake)
  const last = mooncake.arrivals.at(-1)?.at ?? 0
  const middle = last / 2
  for (const [at, one] of arrivals.entries()) {
    const before = mooncake.arrivals[at]
    if (before === undefined) throw new Error('one too many')
    t.equal(one.at, before.at)
    if (one.at < middle) t.equal(one, before)
    else {
      t.ok(one.tokens <= 1025 && one.blocks.length <= 2)
      t.same(one.blocks, before.blocks.slice(0, one.blocks.length))
      t.equal(one.output, Math.min(8192, before.output * shiftedAnswerFactor))
    }
  }
  t.ok(arrivals.some(({ at }) => at < middle) && arrivals.some(({ at }) => at > middle))
})

t.test('copies share nothing with each other, and come in between', async t => {
  const { arrivals } = open(copies(mooncake, 3))
  t.equal(arrivals.length, 3 * mooncake.arrivals.length)
  t.ok(arrivals.every(({ at }, index) => at >= (arrivals[index - 1]?.at ?? 0)))
  const count = (trace: OpenTrace): number => new Set(trace.arrivals.flatMap(({ blocks }) => blocks)).size
  t.equal(count({ ...mooncake, arrivals }), 3 * count(mooncake))
})

t.test('cut', async t => {
  t.equal(open(cut(mooncake, 50)).arrivals.length, 50)
  t.equal(cut(mooncake, 1e6), mooncake)
})

t.test('a block has a number of its own behind another beginning', async t => {
  const own = new PrefixNumbers()
  t.same(own.chain(['a', 'b', 'b']), own.chain(['a', 'b', 'b']))
  t.not(own.chain(['a', 'b'])[1], own.chain(['c', 'b'])[1])
  t.equal(new Set([...own.chain(['a', 'b', 'b']), ...own.chain(['b', 'a'])]).size, 5)
})
