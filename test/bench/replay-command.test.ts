// The replay's command: what it takes and refuses, what it writes, and that it is the same each time.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { readArguments } from '../../bench/replay/arguments.ts'
import { main } from '../../bench/replay/main.ts'
import type { Results } from '../../bench/replay/main.ts'

const folder = mkdtempSync(join(tmpdir(), 'replay-'))
t.teardown(() => rmSync(folder, { recursive: true }))

const traces = 'test/fixtures/traces'
const mooncake = join(traces, 'mooncake-conversation.jsonl')

/** Runs the command; what it wrote and how it ended. */
function run (...args: string[]): { code: number, out: string, err: string } {
  const streams = { out: '', err: '' }
  const { stdout, stderr } = process
  const write = { stdout: stdout.write, stderr: stderr.write }
  stdout.write = (text: unknown) => { streams.out += String(text); return true }
  stderr.write = (text: unknown) => { streams.err += String(text); return true }
  try {
    return { code: main(args), ...streams }
  } finally {
    stdout.write = write.stdout
    stderr.write = write.stderr
  }
}

t.test('bad values are refused with option and value', async t => {
  const refused: ReadonlyArray<[args: string[], message: string | RegExp]> = [
    [[], '--trace: name at least one file'],
    [['--trace', 'x', '--format', 'cvs'], '--format must be one of mooncake, azure, session, recorded, not "cvs"'],
    [['--trace', 'x', '--workers', '0'], '--workers must be a whole number from 1 to 10000, not "0"'],
    [['--trace', 'x', '--workers', '1.5'], '--workers must be a whole number from 1 to 10000, not "1.5"'],
    [['--trace', 'x', '--workers', ''], '--workers must be a whole number from 1 to 10000, not ""'],
    [['--trace', 'x', '--time-scale', 'fast'], '--time-scale must be a number greater than 0, not "fast"'],
    [['--trace', 'x', '--time-scale', '0'], '--time-scale must be a number greater than 0, not "0"'],
    [['--trace', 'x', '--slo-ttft-ms', '-1'], /--slo-ttft-ms/],
    [['--trace', 'x', '--slo-itl-ms', 'NaN'], '--slo-itl-ms must be a number greater than 0, not "NaN"'],
    [['--trace', 'x', '--seed', '-1'], /--seed/],
    [['--trace', 'x', '--profile', 'gpu'], /^--profile must be one of .*, not "gpu"$/],
    [['--trace', 'x', '--policies', 'round_robin,best'], /^--policies: best is unknown; there are .*round_robin/],
    [['--trace', 'x', '--policies', ','], '--policies: name at least one policy'],
    [['--trace', 'x', '--policies', 'cache_aware:depth=1'], /^--policies: cache_aware:depth=1: there is no setting depth; there are cache-threshold/],
    [['--trace', 'x', '--policies', 'cache_aware:cache-threshold=much'], '--policies: cache_aware:cache-threshold=much: cache-threshold must be a number, not "much"'],
    [['--trace', 'x', '--policies', 'rust_cache_aware:max-index-entries=1'], /rust_cache_aware has no setting max-index-entries/],
    [['--trace', 'x', '--transform', 'shift,turn'], '--transform must be one of shared-prompt, no-sessions, shift, not "turn"'],
    [['--trace', 'x', '--copies', '1e9'], /--copies/],
    [['--trace', 'x', '--requests', '0'], /--requests/],
    [['--trace', 'x', '--closed-secs', 'long'], /--closed-secs/],
    [['--trace', 'x', '--colour', 'red'], /--colour/]
  ]
  for (const [args, message] of refused) t.throws(() => readArguments(args), { message }, args.join(' '))
  t.match(run('--trace', mooncake, '--workers', 'x'), { code: 2, out: '', err: /^replay: --workers must be .* not "x"\n$/ })
  t.match(run('--trace', join(traces, 'missing')), { code: 2, err: /^replay: ENOENT.*missing/ })
  t.match(run('--trace', join(traces, 'README.md')), { code: 2, err: 'replay: README.md line 1: not a JSON object\n' })
  t.match(run('--trace', join(traces, 'trace_0052.json'), '--format', 'session', '--transform', 'shift'), { code: 2, err: /shift needs requests with moments/ })
  t.match(run('--help'), { code: 0, out: /--slo-ttft-ms/ })
})

const figures = [
  'requests', 'refused', 'ttft_p50_ms', 'ttft_p90_ms', 'ttft_p99_ms', 'e2e_p50_ms', 'e2e_p90_ms', 'e2e_p99_ms', 'itl_p50_ms', 'itl_p90_ms', 'itl_p99_ms',
  'goodput_rps', 'attained', 'hit_rate', 'load_max_over_mean', 'span_s'
]

for (const [format, files, requests, more] of [
  ['mooncake', [mooncake], 200, []],
  ['azure', [join(traces, 'azure-conv-2023.csv')], 400, []],
  ['session', [join(traces, 'trace_0019.json'), join(traces, 'trace_0052.json')], undefined, ['--closed-secs', '600']]
] as const) {
  t.test(`${format}: figures as JSON and as a chart, the same for a seed`, async t => {
    const play = (name: string, seed: string): { results: Results, svg: string } => {
      const json = join(folder, `${name}.json`)
      const svg = join(folder, `${name}.svg`)
      const { code, out } = run('--trace', ...files, '--format', format, '--workers', '4', '--policies', 'random,sticky_until_saturated,rust_cache_aware:cache-threshold=0.1',
        '--time-scale', '2', '--slo-ttft-ms', '500', '--seed', seed, '--json', json, '--svg', svg, ...more)
      t.equal(code, 0)
      t.match(out, /\| Policy .*\n\|-/)
      return { results: JSON.parse(readFileSync(json, 'utf8')) as Results, svg: readFileSync(svg, 'utf8') }
    }
    const one = play('one', '7')
    t.same(play('two', '7'), one)
    t.notSame(play('three', '8').results, one.results, 'another seed is another replay')
    const [rows] = Object.values(one.results)
    t.same(Object.keys(rows ?? {}), ['random', 'sticky_until_saturated', 'rust_cache_aware:cache-threshold=0.1'])
    for (const row of Object.values(rows ?? {})) {
      t.same(Object.keys(row), figures)
      t.ok(figures.every(name => Number.isFinite(row[name as keyof typeof row])))
      if (requests !== undefined) t.equal(row.requests, requests)
    }
    t.match(one.svg, /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" viewBox="0 0 \d+ \d+"/)
    t.notMatch(one.svg, /NaN|Infinity|undefined/)
    for (const word of ['goodput', 'TTFT, s', 'p99', 'sticky_until_saturated']) t.ok(one.svg.includes(word), word)
  })
}
