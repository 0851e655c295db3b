// Every connector over simulated engines, with other data-parallel sizes in each pool: all blocks come over, to the right rank, and the answers are those of one worker.
import t from 'tap'
import { chat, post } from '../helpers/client.ts'
import { startKvFleet } from '../helpers/kv-fleet.ts'
import { startWorkers } from '../helpers/router.ts'
import { samplesOf } from '../helpers/samples.ts'
import { until } from '../helpers/until.ts'

t.setTimeout(120_000)

const words = (seed: number, count: number): string => Array.from({ length: count }, (_, i) => `w${seed}x${i}`).join(' ')

/** What a request asks of whom, by turns. */
function request (n: number): [path: string, body: object] {
  const text = words(n % 12, 40 + n % 7)
  switch (n % 5) {
    case 0: return ['/v1/completions', { model: 'simulated', prompt: text, max_tokens: 6 }]
    case 1: return ['/v1/chat/completions', chat(text, { stream: true, stream_options: { include_usage: true } })]
    case 2: return ['/v1/responses', { model: 'simulated', input: text, max_output_tokens: 6 }]
    case 3: return ['/inference/v1/generate', { model: 'simulated', token_ids: Array.from({ length: 50 }, (_, i) => n % 12 + i), sampling_params: { max_tokens: 6 } }]
    default: return ['/v1/chat/completions', chat(text, { max_completion_tokens: 7 })]
  }
}

/** The part of an answer that follows from the prompt. */
function made (text: string): string {
  return [...text.matchAll(/"(?:content|text|delta)":"([^"]*)"|"token_ids":(\[[^\]]*\])/g)].map(([, words = '', ids = '']) => words + ids).join('')
}

for (const [name, connector, more] of [
  ['NIXL', 'nixl', {}], ['NIXL in push mode', 'nixl', { kvTransferMode: 'push' }], ['Mooncake', 'mooncake', {}],
  ['P2pNccl', 'p2p-nccl', {}], ['MoRI-IO, READ', 'moriio', {}], ['MoRI-IO, WRITE', 'moriio', { kvTransferMode: 'push' }]
] as const) {
  t.test(name, async t => {
    // P2pNccl knows no ranks
    const [prefillRanks, decodeRanks] = connector === 'p2p-nccl' ? [1, 1] : [2, 3]
    const fleet = await startKvFleet(t, { connector, worker: more, prefill: { ranks: prefillRanks }, decode: { ranks: decodeRanks } })
    const [plain] = await startWorkers(t, 1, { interTokenLatencyMs: 1 })
    const before = await samplesOf(fleet.router)
    const warm = fleet.results()['ok'] ?? 0
    const total = 60
    let next = 0
    async function client (): Promise<void> {
      while (next < total) {
        const n = next++
        const [path, body] = request(n)
        const response = await post(fleet.url + path, body, { 'x-request-id': `own-${n}` })
        const text = await response.text()
        t.same([response.status, response.headers.get('x-request-id')], [200, `own-${n}`], `${path}: ${response.status === 200 ? '' : text}`)
        t.equal(made(text), made(await (await post((plain?.url ?? '') + path, body)).text()), path)
        t.notMatch(text, /___prefill_addr_/)
      }
    }
    await Promise.all(Array.from({ length: 6 }, client))
    const sum = (metric: string): number => -before.sum(metric)
    const after = await samplesOf(fleet.router)
    t.equal(after.sum('pd_prefill_requests_total') + sum('pd_prefill_requests_total'), total)
    t.equal(after.sum('pd_decode_requests_total') + sum('pd_decode_requests_total'), total)
    t.equal(after.sum('request_errors_total'), 0)
    t.same(fleet.results(), { ok: total + warm }, 'every transfer went well, and there was no other')
    t.same(fleet.harm(), { deaths: 0, unclaimed: 0 })
    await until('no blocks stay behind', () => fleet.heldBlocks() === 0)
    t.equal(after.sum('pd_leaked_prefills_total'), 0)
    t.ok(fleet.router.workers.list().every(worker => worker.inFlight === 0))
    const legs = (pool: typeof fleet.prefill, leg: string): Set<number> => new Set(pool.flatMap(({ app }) => app.simulator.kv?.records.filter(record => record.leg === leg).map(record => record.rank) ?? []))
    t.equal(legs(fleet.prefill, 'prefill').size, prefillRanks, 'all ranks took part')
    t.equal(legs(fleet.decode, 'decode').size, decodeRanks)
  })
}

t.test('P2pNccl moves every prompt of a request', async t => {
  const fleet = await startKvFleet(t, { connector: 'p2p-nccl' })
  const [plain] = await startWorkers(t, 1, { interTokenLatencyMs: 1 })
  for (const [n, more] of [{}, { n: 2 }, { stream: true }].entries()) {
    const body = { model: 'simulated', prompt: [words(3 * n, 40), words(3 * n + 1, 20), words(3 * n + 2, 50)], max_tokens: 4, ...more }
    const response = await post(fleet.url + '/v1/completions', body)
    t.equal(response.status, 200)
    const parts = (text: string): string[] => [...text.matchAll(/"index":(\d+),"text":"([^"]*)"/g)].map(([, index = '', words = '']) => `${index} ${words}`).sort()
    const got = parts(await response.text())
    t.ok(got.length >= 3)
    t.same(got, parts(await (await post((plain?.url ?? '') + '/v1/completions', body)).text()), JSON.stringify(more))
  }
  t.same(fleet.results(), { ok: 12 })
  t.same(fleet.harm(), { deaths: 0, unclaimed: 0 })
  await until('no blocks stay behind', () => fleet.heldBlocks() === 0)
  t.equal((await samplesOf(fleet.router)).sum('pd_decode_requests_total'), 3)
})

t.test('workers that serve nothing but pairs get nothing else', async t => {
  const fleet = await startKvFleet(t, { connector: 'p2p-nccl', prefills: 1, decodes: 1, router: { pdMinUncachedTokens: 256 } })
  t.equal((await post(fleet.url + '/v1/completions', { model: 'simulated', prompt: 'short' })).status, 200, 'a short prompt is split, too')
  t.match(await (await post(fleet.url + '/v1/messages', { model: 'simulated', messages: [] })).json(), { detail: 'Not Found' }, 'also where only engines know the path')
  const [prefill] = fleet.prefill
  await prefill?.app.simulator.failures.set({ mode: 'status', status: 500 })
  t.equal((await post(fleet.url + '/v1/completions', { model: 'simulated', prompt: 'a' })).status, 500, 'and no decode worker alone')
  await prefill?.app.simulator.failures.clear()
  t.equal((await post(fleet.url + '/tokenize', { model: 'simulated', prompt: 'a' })).status, 200)
  t.same(fleet.harm(), { deaths: 0, unclaimed: 0 })
  const { status, prefill: pool } = await (await fetch(fleet.url + '/readiness')).json() as { status: string, prefill: object }
  t.same([status, pool], ['ready', { healthy: 1, total: 1 }])
  await prefill?.close()
  await until('not ready without prefill workers', async () => !(await fetch(fleet.url + '/readiness')).ok, 15_000)
})
