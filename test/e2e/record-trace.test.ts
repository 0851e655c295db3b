// A recording of requests says how much and how alike, and nothing of what they say; played back it is the same traffic.
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { readTraces } from '../../bench/replay/formats.ts'
import { engineFor, profiles } from '../../bench/replay/profiles.ts'
import { replay } from '../../bench/replay/run.ts'
import { figuresOf } from '../../bench/replay/figures.ts'
import { PrefixNumbers } from '../../bench/replay/trace.ts'
import { TraceFile, maxWaitingBytes } from '../../plugins/trace-file.ts'
import { createPolicy } from '../../policies/index.ts'
import { chat, post, sendRaw } from '../helpers/client.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

function folderOf (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'recorded-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

const secret = 'Confidential-Zebra'
const text = (who: number, words: number): string => Array.from({ length: words }, (_, at) => `${secret}${who}x${at}`).join(' ')

t.test('a run, recorded and played back', async t => {
  const folder = folderOf(t)
  const file = join(folder, 'trace.jsonl')
  const workers = await startWorkers(t, 1, { interTokenLatencyMs: 1 })
  const { url, app, port, router } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), recordTrace: file })
  // four conversations of four turns, each turn's text longer than the one before
  let prompt = 0
  let cached = 0
  for (let turn = 1; turn <= 4; turn++) {
    for (let who = 0; who < 4; who++) {
      const body = { model: 'simulated', prompt: text(who, turn * 120), max_tokens: 3 }
      const { usage } = await (await post(url + '/v1/completions', body, { 'x-session-id': `${secret}-${who}` })).json() as { usage: { prompt_tokens: number, prompt_tokens_details?: { cached_tokens: number } } }
      prompt += usage.prompt_tokens
      cached += usage.prompt_tokens_details?.cached_tokens ?? 0
    }
  }
  await (await post(url + '/tokenize', { prompt: secret })).text()
  await (await post(url + '/v1/chat/completions', chat(`${secret} streamed`, { stream: true, max_tokens: 7 }))).text()
  const gone = await sendRaw(port, '/v1/chat/completions', chat(`${secret} gone`, { stream: true, max_tokens: 5000 }))
  await until('it is under way', () => router.workers.list()[0]?.inFlight === 1)
  gone.destroy()
  await until('it is over', () => router.workers.list()[0]?.inFlight === 0)
  await until('it is recorded', () => router.traceFile.written === 19)
  await app.close()

  const written = readFileSync(file, 'utf8')
  t.notOk(/zebra|confidential|simulated/i.test(written), 'nothing of prompts, sessions or models')
  t.equal(statSync(file).mode & 0o077, 0, 'for its owner only')
  const rows = written.trim().split('\n').slice(1).map(line => JSON.parse(line) as { session?: string, output_length: number, hash_ids: string[] })
  t.equal(new Set(rows.flatMap(({ session }) => session ?? [])).size, 4, 'sessions can be told apart')
  const pieces = rows[16]?.output_length ?? 0
  t.ok(pieces > 1 && pieces <= 10, `the pieces of a stream that tells no usage are counted: ${pieces} for 7 tokens`)

  const [trace] = readTraces('recorded', [file], new PrefixNumbers())
  if (trace?.loop !== 'open') throw new Error('no trace')
  t.equal(trace.arrivals.length, 18, 'every generation request, and nothing else')
  t.ok(trace.arrivals.every(({ at }, index) => at >= (trace.arrivals[index - 1]?.at ?? 0)))
  const own = { ...trace, arrivals: trace.arrivals.slice(0, 16) }
  t.equal(own.arrivals.reduce((sum, { tokens }) => sum + tokens, 0), prompt, 'the prompt tokens that the worker counted')
  const figures = figuresOf(
    replay(own, { workers: 1, engine: engineFor(profiles['llama-3.1-8b-h100'], trace.blockSize), policy: context => createPolicy('round_robin', {}, context), seed: 1, load: 0.01 }),
    { ttftMs: 1000, itlMs: 100 }
  )
  // blocks have 16 tokens there and 64 here
  t.ok(Math.abs(figures.hit_rate - cached / prompt) < 0.06, `hit rate ${figures.hit_rate.toFixed(3)} for ${(cached / prompt).toFixed(3)}`)
})

t.test('two recordings have no hash in common, and the one before is kept', async t => {
  const folder = folderOf(t)
  const file = join(folder, 'trace.jsonl')
  const workers = await startWorkers(t, 1)
  const record = async (): Promise<Set<string>> => {
    const { url, app } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), recordTrace: file })
    await (await post(url + '/v1/chat/completions', chat(text(1, 300)))).text()
    await app.close()
    return new Set(readFileSync(file, 'utf8').trim().split('\n').slice(1).flatMap(line => (JSON.parse(line) as { hash_ids: string[] }).hash_ids))
  }
  const one = await record()
  const two = await record()
  t.ok(one.size > 10)
  t.equal(two.size, one.size)
  t.notOk([...one].some(hash => two.has(hash)))
  t.ok(existsSync(`${file}.1`))
})

t.test('off, nothing is there', async t => {
  const workers = await startWorkers(t, 1)
  const { router } = await startRouter(t, { workerUrls: workers.map(worker => worker.url) })
  t.notOk(router.hasDecorator('traceFile'))
  t.equal(router.calls.listenerCount('gap'), 1, 'only the metrics listen to every piece')
})

t.test('bounds', async t => {
  const folder = folderOf(t)
  await t.test('size', async t => {
    const file = await TraceFile.create(join(folder, 'small'), 100, () => {})
    t.equal(file.add('a'.repeat(60)), undefined)
    t.equal(file.add('b'.repeat(60)), 'full')
    t.equal(file.add('c'), 'full', 'what is full stays full')
    await file.close()
    t.equal(readFileSync(join(folder, 'small'), 'utf8'), 'a'.repeat(60) + '\n')
  })
  await t.test('a slow disk', async t => {
    const file = await TraceFile.create(join(folder, 'slow'), 1e9, () => {})
    const line = 'x'.repeat(64 * 1024 - 1)
    // nothing is written before this turn of the event loop ends
    const taken = Array.from({ length: 100 }, () => file.add(line)).filter(loss => loss === undefined).length
    t.equal(taken, maxWaitingBytes / (64 * 1024))
    t.equal(file.lost.slow, 100 - taken)
    await file.close()
    t.equal(statSync(join(folder, 'slow')).size, maxWaitingBytes)
  })
  await t.test('a file that cannot be', async t => {
    await t.rejects(TraceFile.create(join(folder, 'missing', 'x'), 100, () => {}), { message: /^recordTrace takes a file that can be written, not .*ENOENT/ })
  })
  await t.test('a file that is no recording', async t => {
    t.throws(() => readTraces('recorded', ['package.json'], new PrefixNumbers()), { message: 'package.json line 1: not a JSON object' })
  })
})
