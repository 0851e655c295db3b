// The comparison behind docs/routing-quality.md: its search, its judgements and its document; and what must hold of every policy, in a few seconds.
import { readFileSync } from 'node:fs'
import t from 'tap'
import { judge, lineOf, subject } from '../../bench/replay/quality/bars.ts'
import type { Comparison } from '../../bench/replay/quality/compare.ts'
import { chart, made, replaced } from '../../bench/replay/quality/document.ts'
import { missingLoad, target } from '../../bench/replay/quality/search.ts'
import type { TaskFigures } from '../../bench/replay/quality/task.ts'
import { contender } from '../../bench/replay/contenders.ts'
import { figuresOf } from '../../bench/replay/figures.ts'
import type { Figures } from '../../bench/replay/figures.ts'
import { readTraces } from '../../bench/replay/formats.ts'
import { engineFor, profiles } from '../../bench/replay/profiles.ts'
import { replay } from '../../bench/replay/run.ts'
import { PrefixNumbers } from '../../bench/replay/trace.ts'
import { transforms } from '../../bench/replay/transforms.ts'

t.test('the load at which a policy just misses', async t => {
  for (const edge of [0.013, 0.9, 7.7, 300]) {
    for (const start of [1, 8]) {
      let asked = 0
      const load = await missingLoad(start, async one => {
        asked++
        return one < edge ? 0.95 : 0.85
      })
      t.ok(load >= edge && load <= edge * 1.04, `${load} for ${edge}`)
      t.ok(asked < 24)
    }
  }
  await t.rejects(missingLoad(1, async () => 1), { message: /no load from 1 on is too high/ })
  await t.rejects(missingLoad(1, async () => target - 0.01), { message: /low enough/ })
})

function row (goodput: number, more: Partial<TaskFigures> = {}): TaskFigures {
  const zero = { ttft_p50_ms: 1, ttft_p90_ms: 1, ttft_p99_ms: 1, e2e_p50_ms: 1, e2e_p90_ms: 1, e2e_p99_ms: 1, itl_p50_ms: 1, itl_p90_ms: 1, itl_p99_ms: 1 }
  return { ...zero, requests: 100, refused: 0, goodput_rps: goodput, attained: 0.5, hit_rate: 0.5, load_max_over_mean: 1.2, span_s: 1, learned_prefill_rate: 1.05, ...more }
}

function comparison (scenario: Comparison['scenario'], own: TaskFigures, others: Readonly<Record<string, TaskFigures>>, missesAt: Comparison['missesAt'] = {}): Comparison {
  const rows = { ...others, [subject]: own }
  return { scenario, load: 2, at: rows, above: rows, curves: { [subject]: [[0.5, 1], [1, 0.9]] }, missesAt }
}

t.test('bars', async t => {
  const others = { round_robin: row(5), rust_round_robin: row(5), rust_cache_aware: row(7), 'cache_aware:cache-threshold=0.1': row(9.9) }
  const found = (own: TaskFigures, bar: RegExp, scenario: Comparison['scenario'] = 'conversation'): boolean[] =>
    judge([comparison(scenario, own, others)]).filter(verdict => bar.test(verdict.bar)).map(({ met }) => met)
  t.same(found(row(10), /2 × round_robin/), [true, true])
  t.same(found(row(9.9), /2 × round_robin/), [false, false])
  t.same(found(row(9.1), /1\.3/), [true, true])
  t.same(found(row(9), /1\.3/), [false, false])
  t.same(found(row(9.8), /0\.98/), [true, true])
  t.same(found(row(9.6), /0\.98/), [false, false])
  t.same(found(row(10), /ahead/, 'shift'), [true, true])
  t.same(found(row(9.9), /ahead/, 'shift'), [false, false])
  t.same(found(row(10), /ahead/), [])
  t.same(found(row(10, { learned_prefill_rate: 0.89 }), /learned/), [false, false])
  t.same(found(row(10, { load_max_over_mean: 1.51 }), /max \/ mean/, 'bursts-shared-prompt'), [false, false])
  const sessions = (without: number): boolean[] =>
    judge([comparison('agents', row(1, { hit_rate: 0.8 }), {}), comparison('agents-no-sessions', row(1, { hit_rate: without }), {})]).filter(({ bar }) => bar.includes('session ids')).map(({ met }) => met)
  t.same([sessions(0.77), sessions(0.75)], [[true, true], [false, false]])
  const served = judge([comparison('agents', row(1), {}, { [subject]: 2.1, rust_cache_aware: 1.7 })]).filter(({ bar }) => bar.startsWith('serves')).map(({ met }) => met)
  t.same(served, [true, false])
  const [missed] = judge([comparison('conversation', row(9), others)])
  t.equal(missed === undefined ? '' : lineOf(missed), 'MISSED  goodput at least 2 × round_robin: 1.80 × (conversation, load 2; all requests within the bounds would be 2.00 ×)')
})

t.test('the document', async t => {
  const comparisons = [comparison('conversation', row(10), { round_robin: row(5) }, { [subject]: 2 })]
  const part = made(comparisons, 'npm run replay:quality')
  const document = readFileSync('docs/routing-quality.md', 'utf8')
  const next = replaced(document, part)
  t.equal(replaced(next, part), next)
  t.ok(next.startsWith(document.slice(0, 200)))
  t.throws(() => replaced('nothing', part), { message: /markers/ })
  t.notMatch(part + chart(comparisons), /NaN|undefined/)
})

t.test('in short', async t => {
  const numbers = new PrefixNumbers()
  const [trace] = readTraces('mooncake', ['test/fixtures/traces/mooncake-conversation.jsonl'], numbers)
  if (trace === undefined) throw new Error('no trace')
  const play = (name: string, which = trace): Figures => figuresOf(
    replay(which, { workers: 4, engine: engineFor(profiles['llama-3.1-8b-h100'], which.blockSize), policy: contender(name), seed: 1, load: 4, closedMs: 300_000 }), { ttftMs: 2000, itlMs: 50 })
  const [sessions] = readTraces('session', ['trace_0019.json', 'trace_0052.json'].map(name => `test/fixtures/traces/${name}`), numbers)
  if (sessions === undefined) throw new Error('no sessions')
  const [own, turns] = [play(subject, sessions), play('round_robin', sessions)]
  t.ok(own.hit_rate > turns.hit_rate + 0.1, `${own.hit_rate} and ${turns.hit_rate}`)
  const without = play(subject, transforms['no-sessions'](sessions))
  t.ok(without.hit_rate >= 0.95 * own.hit_rate, `${without.hit_rate} without ids, ${own.hit_rate} with`)
  const [open, turnsOpen] = [play(subject), play('round_robin')]
  t.ok(open.goodput_rps >= 0.99 * turnsOpen.goodput_rps, `${open.goodput_rps} and ${turnsOpen.goodput_rps}`)
  const shared = play(subject, transforms['shared-prompt'](trace, numbers))
  t.ok(shared.load_max_over_mean <= 1.5, `max / mean ${shared.load_max_over_mean.toFixed(2)}`)
  t.same(play('rust_round_robin').requests, turnsOpen.requests)
})
