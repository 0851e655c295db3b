// Every choice of a worker can be read afterwards, with what became of it: bounded, newest first, without anything a client said.
import fc from 'fast-check'
import t from 'tap'
import { DecisionRing } from '../../core/decision-ring.ts'
import type { Worker } from '../../core/worker.ts'
import { chat, post, sendRaw } from '../helpers/client.ts'
import { startLogging } from '../helpers/log.ts'
import { startPools } from '../helpers/pools.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

interface Decision { readonly [name: string]: unknown, readonly worker: string, readonly alias: string }
interface Page { readonly decisions: readonly Decision[], readonly kept: number, readonly size: number }

async function read (url: string, query = ''): Promise<Page> {
  return await (await fetch(`${url}/decisions${query}`)).json() as Page
}

t.test('a choice, and what became of it', async t => {
  const [worker] = await startWorkers(t, 1)
  const { url, router } = await startRouter(t, { workerUrls: [worker?.url ?? ''], policy: 'consistent_hash' })
  t.same(await read(url), { decisions: [], kept: 0, size: 1000 })
  const answer = await post(url + '/v1/chat/completions', chat('a secret', { user: 'somebody' }), { 'x-request-id': '', 'x-session-id': 'conversation-17', 'x-correlation-id': 'mine' })
  const { usage } = await answer.json() as { usage: { prompt_tokens: number, completion_tokens: number } }
  await until('settled', async () => (await read(url)).decisions[0]?.['end'] === 'completed')
  const { decisions: [one, ...others], kept } = await read(url)
  t.same([others.length, kept], [0, 1])
  const { alias } = router.workers.list()[0] ?? { alias: '' }
  t.match(one, {
    time: /^20\d\d-\d\d-\d\dT.*Z$/,
    request_id: 'mine',
    route: '/v1/chat/completions',
    leg: 'whole',
    split: null,
    worker: worker?.url,
    alias,
    policy: 'consistent_hash',
    reason: 'header',
    candidates: 1,
    match: null,
    session: 'header',
    uncached_tokens: null,
    end: 'completed',
    status: 200,
    first_byte_ms: Number,
    duration_ms: Number,
    prompt_tokens: usage.prompt_tokens,
    completion_tokens: usage.completion_tokens
  })
  t.ok(Math.abs(Date.parse(String(one?.['time'])) - Date.now()) < 60_000)
  t.notMatch(JSON.stringify(one), /secret|somebody|conversation-17/)
})

t.test('newest first, filtered, and bounded', async t => {
  const workers = await startWorkers(t, 2)
  const { url, router } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), policy: 'round_robin', decisionRingSize: 5 })
  for (let i = 0; i < 8; i++) await (await post(url + '/v1/completions', { model: 'simulated', prompt: 'a', max_tokens: 1 }, { 'x-request-id': `r${i}` })).text()
  const ids = async (query = ''): Promise<unknown[]> => (await read(url, query)).decisions.map(decision => decision['request_id'])
  t.same(await ids(), ['r7', 'r6', 'r5', 'r4', 'r3'])
  t.same(await ids('?limit=2'), ['r7', 'r6'])
  t.same(await ids('?request_id=r4'), ['r4'])
  t.same(await ids('?request_id=r2'), [], 'forgotten')
  const [newest] = (await read(url)).decisions
  for (const name of [newest?.worker, newest?.alias]) t.same(await ids(`?worker=${encodeURIComponent(name ?? '')}`), ['r7', 'r5', 'r3'])
  t.same(await ids(`?worker=${newest?.alias}&limit=1`), ['r7'])
  t.same(await ids('?worker=w-00000000'), [])
  for (const query of ['?limit=0', '?limit=x', '?limit=10001', '?worker=']) t.equal((await fetch(`${url}/decisions${query}`)).status, 400, query)
  t.match(await read(url), { kept: 5, size: 5 })

  router.decisions.configure({ decisionRingSize: 0 })
  t.same(await read(url), { decisions: [], kept: 0, size: 0 })
  await (await post(url + '/v1/completions', { model: 'simulated', prompt: 'a', max_tokens: 1 })).text()
  t.equal((await read(url)).kept, 0)
  router.decisions.configure({ decisionRingSize: 2 })
  await (await post(url + '/v1/completions', { model: 'simulated', prompt: 'a', max_tokens: 1 }, { 'x-request-id': 'again' })).text()
  t.same(await ids(), ['again'])
})

t.test('each attempt, one that waits, and one whose client left', async t => {
  const failing = await startRawWorker(t, (_request, response) => { response.writeHead(500).end('{}') })
  const waiting = await startRawWorker(t, () => {})
  const { url, port, router } = await startRouter(t, { workerUrls: [failing.url], policy: 'least_load', decisionRingSize: 2, retryInitialBackoffMs: 1, retryMaxRetries: 2 })
  t.equal((await post(url + '/v1/completions', {}, { 'x-request-id': 'twice' })).status, 500)
  await until('both settled', async () => (await read(url)).decisions.every(decision => decision['end'] === 'completed'))
  t.match((await read(url)).decisions, [{ request_id: 'twice', status: 500 }, { request_id: 'twice', status: 500 }])

  router.manualWorkers.remove(failing.url)
  router.manualWorkers.add(waiting.url)
  await until('the other worker', () => router.workers.candidates('regular').workers.length === 1)
  const socket = await sendRaw(port, '/v1/completions', {})
  await until('it arrived', () => waiting.requests.length === 1)
  t.match((await read(url, '?limit=1')).decisions, [{ worker: waiting.url, reason: 'only_candidate', end: null, status: null, first_byte_ms: null, duration_ms: null }])
  t.equal((await read(url)).kept, 2, 'in a slot that was used before')
  socket.destroy()
  await until('settled', async () => (await read(url, '?limit=1')).decisions[0]?.['end'] === 'client_gone')
  t.match((await read(url, '?limit=1')).decisions, [{ status: null, first_byte_ms: null, duration_ms: Number }])
})

t.test('a call that ends after the size was changed is not taken for another', async t => {
  const answers: Array<() => void> = []
  const worker = await startRawWorker(t, (_request, response) => { answers.push(() => response.end('{}')) })
  const { url, router } = await startRouter(t, { workerUrls: [worker.url] })
  const first = post(url + '/v1/completions', {})
  await until('the first', () => answers.length === 1)
  router.decisions.configure({ decisionRingSize: 0 })
  router.decisions.configure({ decisionRingSize: 3 })
  const second = post(url + '/v1/completions', {}, { 'x-request-id': 'second' })
  await until('the second', () => answers.length === 2)
  answers[0]?.()
  t.equal((await first).status, 200)
  await until('no lease of the first', () => router.workers.list()[0]?.inFlight === 1)
  t.match((await read(url)).decisions, [{ request_id: 'second', end: null }])
  answers[1]?.()
  t.equal((await second).status, 200)
  await until('settled', async () => (await read(url)).decisions[0]?.['end'] === 'completed')
})

t.test('both legs of a request that is split', async t => {
  const { url, prefill, decode } = await startPools(t, { prefills: 1, decodes: 1, pdMinUncachedTokens: 0 })
  t.equal((await post(url + '/v1/completions', { prompt: 'a' })).status, 200)
  t.match((await read(url)).decisions, [
    { leg: 'decode', split: 'split', worker: decode[0]?.url, route: '/v1/completions' }, { leg: 'prefill', split: null, worker: prefill[0]?.url }
  ])
})

t.test('in every answer on request, and in the log at debug', async t => {
  const [worker] = await startWorkers(t, 1)
  const { url, lines, router } = await startLogging(t, 'debug', { workerUrls: [worker?.url ?? ''], policy: 'sticky_least_loaded', explainDecisions: true })
  const ask = async (): Promise<string | null> => {
    const answer = await post(url + '/v1/completions', { model: 'simulated', prompt: 'a', max_tokens: 1 }, { 'thread-id': 'conversation-17' })
    await answer.text()
    return answer.headers.get('x-vllm-router-decision')
  }
  t.match(await ask(), /^worker=w-[0-9a-f]{8}; policy=sticky_least_loaded; reason=only_candidate; candidates=1; session=header$/)
  t.match(await ask(), /; reason=header; candidates=1; session=header$/)
  t.match(lines('worker chosen'), [{ session: 'header', reason: 'only_candidate' }, { session: 'header', reason: 'header' }])
  router.forwarding.configure({ explainDecisions: false })
  t.equal(await ask(), null)
})

t.test('estimates of a policy', async t => {
  const [worker] = await startWorkers(t, 1)
  const own = { name: 'own', pick: ({ workers }: { workers: readonly Worker[] }) => ({ worker: workers[0] as Worker, reason: 'prefix_hit' as const, match: 0.75, uncachedTokens: 812.4 }) }
  const { url } = await startRouter(t, { workerUrls: [worker?.url ?? ''], policy: own })
  const answer = await post(url + '/v1/completions', { model: 'simulated', prompt: 'a', max_tokens: 1 }, { 'x-vllm-router-explain': '1' })
  t.match(answer.headers.get('x-vllm-router-decision'), /reason=prefix_hit; candidates=1; match=0.750; uncached=812$/)
  t.match((await read(url)).decisions, [{ match: 0.75, uncached_tokens: 812.4, session: null }])
})

t.test('the ring keeps the last ones, in order', async t => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 9 }), fc.nat(40), fc.nat(20), (size, count, before) => {
    const ring = new DecisionRing(size, before)
    for (let i = 1; i <= count; i++) ring.take().requestId = String(i)
    const kept = Array.from(ring.newest(), slot => Number(slot.requestId))
    const expected = Array.from({ length: Math.min(size, count) }, (_, i) => count - i)
    if (kept.join() !== expected.join() || ring.length !== kept.length) throw new Error(`${kept.join(' ')}, not ${expected.join(' ')}`)
    for (let nth = 0; nth <= count + 1; nth++) {
      if ((ring.at(before + nth)?.requestId ?? '') !== (kept.includes(nth) ? String(nth) : '')) throw new Error(`slot of ${nth}`)
    }
  }), { seed: 81, numRuns: 200 })
  t.pass('no counterexample')
})
