// Whatever one worker of either pool does wrong before an answer's first byte, no client notices, and no blocks stay behind uncounted.
import t from 'tap'
import type { Test } from 'tap'
import { post } from '../helpers/client.ts'
import { startPools } from '../helpers/pools.ts'
import type { Pools, PoolsOptions } from '../helpers/pools.ts'
import { send } from '../helpers/raw-client.ts'
import { valuesOf } from '../helpers/raw-worker.ts'
import type { Answer, RawWorker } from '../helpers/raw-worker.ts'
import { samplesOf } from '../helpers/samples.ts'
import { until } from '../helpers/until.ts'

/** Ways to be bad; `refused` closes the worker. */
const ways: Readonly<Record<string, Answer | 'refused'>> = {
  refused: 'refused',
  reset: (_request, _response, socket) => { socket.resetAndDestroy() },
  'status 500': (_request, response) => { response.writeHead(500).end('oh') },
  'status 503': (_request, response) => { response.writeHead(503).end('busy') },
  'status 429': (_request, response) => { response.writeHead(429, { 'retry-after': '1' }).end('later') },
  hanging: () => {},
  'a head and no more': (_request, response) => { response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders() },
  'half an answer': (_request, response, socket) => { response.writeHead(200, { 'content-type': 'application/json', 'content-length': '99' }).write('{"id":', () => socket.destroy()) }
}

const patient: PoolsOptions = { firstByteTimeoutSecs: 60, disableOutlierDetection: true, cbFailureThreshold: 1000, healthCheckIntervalSecs: 60 }

/** Only where something hangs: on a busy machine a good worker may need a while. */
function patienceFor (name: string): PoolsOptions {
  return name === 'hanging' || name.startsWith('a head') ? { ...patient, firstByteTimeoutSecs: 2 } : patient
}

async function spoil (worker: RawWorker | undefined, way: Answer | 'refused'): Promise<void> {
  if (worker === undefined) throw new Error('no worker')
  if (way === 'refused') await worker.close()
  else worker.answer = way
}

async function ask (pools: Pools, count: number): Promise<number[]> {
  return await Promise.all(Array.from({ length: count }, async (_, i) => {
    const response = await post(pools.url + '/v1/completions', { prompt: `prompt ${i}`, stream: i % 2 === 1 })
    const text = await response.text()
    return response.status === 200 && !text.includes('hi') ? 0 : response.status
  }))
}

async function idle (t: Test, { router }: Pools): Promise<void> {
  await until('no lease is left', () => router.workers.list().every(worker => worker.inFlight === 0))
  t.pass('no lease is left')
}

const served = Array.from({ length: 12 }, () => 200)

t.test('one of two prefill workers', async t => {
  const all: ReadonlyArray<readonly [string, Answer | 'refused']> = [...Object.entries(ways), ['no JSON', (_request, response) => { response.end('<html>') }]]
  await Promise.all(all.map(async ([name, way]) => {
    const pools = await startPools(t, patienceFor(name))
    await spoil(pools.prefill[0], way)
    t.same(await ask(pools, 12), served, name)
    t.same([pools.held.size, pools.strange, pools.alone()], [0, [], 0], `${name}: all were split, and all blocks taken`)
    await idle(t, pools)
  }))
})

t.test('every prefill worker: the decode workers do it all', async t => {
  await Promise.all(Object.entries(ways).map(async ([name, way]) => {
    const pools = await startPools(t, { ...patienceFor(name), prefills: 2 })
    for (const worker of pools.prefill) await spoil(worker, way)
    t.same(await ask(pools, 12), served, name)
    t.same([pools.held.size, pools.strange, pools.alone()], [0, [], 12], name)
    const samples = await samplesOf(pools.router)
    t.equal(samples.sum('pd_prefill_decisions_total', { reason: 'prefill_failed' }) + samples.sum('pd_prefill_decisions_total', { reason: 'no_prefill' }), 12, name)
    await idle(t, pools)
  }))
})

t.test('one of two decode workers', async t => {
  await Promise.all(Object.entries(ways).map(async ([name, way]) => {
    const pools = await startPools(t, patienceFor(name))
    await spoil(pools.decode[0], way)
    t.same(await ask(pools, 12), served, name)
    t.same([pools.strange, pools.alone()], [[], 0], `${name}: no blocks were asked for twice`)
    await idle(t, pools)
    const leaked = (await samplesOf(pools.router)).sum('pd_leaked_prefills_total')
    // nobody can know whether a worker that failed had taken them
    if (['refused', 'status 503', 'status 429'].includes(name)) t.same([leaked, pools.held.size], [0, 0], `${name}: another took them`)
    else if (['reset', 'status 500', 'hanging'].includes(name)) t.ok(leaked === pools.held.size && leaked > 0, `${name}: ${leaked} of ${pools.held.size} are counted`)
    else t.equal(leaked, 0, `${name}: an answer that began is made of them`)
  }))
})

t.test('a decode worker that comes back', async t => {
  const pools = await startPools(t, { ...patient, decodes: 1, healthCheckIntervalSecs: 0.05 })
  const [worker] = pools.decode
  const { port } = worker?.server.address() as { port: number }
  await worker?.close()
  const answers = ask(pools, 6)
  await new Promise<void>(resolve => { worker?.server.listen(port, '127.0.0.1', resolve) })
  t.same(await answers, served.slice(0, 6))
  t.same([pools.held.size, pools.strange], [0, []])
})

t.test('a final refusal of either leg reaches the client as it was', async t => {
  const refusal: Answer = (_request, response) => { response.writeHead(404, 'Not Here', { 'X-Odd': '1', 'content-type': 'text/odd' }).end('no such model') }
  for (const pool of ['prefill', 'decode'] as const) {
    const pools = await startPools(t, patient)
    for (const worker of pools[pool]) worker.answer = refusal
    const got = await send(pools.port, { path: '/v1/completions', headers: [['content-type', 'application/json'], ['x-request-id', 'own']], body: '{"prompt":"a"}' })
    t.equal(got.statusLine, 'HTTP/1.1 404 Not Here', pool)
    t.same([got.body.toString(), valuesOf(got.headers, 'x-odd'), valuesOf(got.headers, 'content-type'), valuesOf(got.headers, 'x-request-id')], ['no such model', ['1'], ['text/odd'], ['own']])
    t.equal(pools[pool].reduce((sum, worker) => sum + worker.requests.length, 0), 1, 'asked once')
    t.equal((await samplesOf(pools.router)).sum('pd_leaked_prefills_total'), pool === 'decode' ? 1 : 0)
    await idle(t, pools)
  }
})

t.test('without the fallback', async t => {
  const options = { ...patient, disableDecodeFallback: true, retryMaxRetries: 2 }
  const failing = await startPools(t, options)
  for (const worker of failing.prefill) await spoil(worker, ways['status 500'] ?? 'refused')
  const got = await send(failing.port, { path: '/v1/completions', headers: [['content-type', 'application/json']], body: '{"prompt":"a"}' })
  t.same([got.status, got.body.toString()], [500, 'oh'], 'the last answer of a prefill worker')
  t.equal(failing.decode.reduce((sum, worker) => sum + worker.requests.length, 0), 0)
  await idle(t, failing)

  const gone = await startPools(t, options)
  for (const worker of gone.prefill) await worker.close()
  const refused = await post(gone.url + '/v1/completions', { prompt: 'a' })
  t.same([refused.status, (await refused.json() as { error: { code: string } }).error.code], [502, 'worker_unreachable'])
  await until('both are out', () => gone.router.workers.candidates('prefill').workers.length === 0)
  const nobody = await post(gone.url + '/v1/completions', { prompt: 'a' })
  t.same([nobody.status, nobody.headers.get('retry-after') !== null], [503, true])
  t.match(await nobody.json(), { error: { code: 'no_available_workers' } })
  t.equal((await post(gone.url + '/tokenize', { prompt: 'a' })).status, 200, 'what needs no prefill is served')
  await idle(t, gone)
})

t.test('no decode worker at all', async t => {
  const pools = await startPools(t, patient)
  for (const worker of pools.decode) await worker.close()
  const got = await post(pools.url + '/v1/completions', { prompt: 'a' })
  t.equal(got.status, 502)
  await got.text()
  await until('all are out', () => pools.router.workers.candidates('decode').workers.length === 0)
  t.equal((await post(pools.url + '/v1/completions', { prompt: 'a' })).status, 503)
  await idle(t, pools)
  t.equal((await samplesOf(pools.router)).sum('pd_leaked_prefills_total'), pools.held.size, 'what nobody took is counted')
})

t.test('a prefill worker that returns no parameters: the decode worker computes the prompt', async t => {
  const pools = await startPools(t, { prefills: 1, decodes: 1 })
  const [worker] = pools.prefill
  if (worker !== undefined) worker.answer = (_request, response) => { response.setHeader('content-type', 'application/json').end('{"choices":[],"kv_transfer_params":null}') }
  t.same(await ask(pools, 2), [200, 200])
  const samples = await samplesOf(pools.router)
  t.same([samples.sum('pd_errors_total', { error_type: 'missing_transfer_params' }), samples.sum('pd_leaked_prefills_total'), pools.alone()], [2, 0, 2])
})

t.test('a prefill worker whose answer does not end', async t => {
  const pools = await startPools(t, { prefills: 1, decodes: 1 })
  const [worker] = pools.prefill
  if (worker === undefined) throw new Error('no worker')
  worker.answer = (_request, response) => {
    const piece = Buffer.alloc(1024 * 1024, 0x20)
    response.setHeader('content-type', 'application/json')
    const more = (): void => { while (!response.destroyed && response.write(piece)); }
    response.on('drain', more)
    more()
  }
  t.same(await ask(pools, 1), [200])
  await until('it was cut off', () => worker.aborts === 1)
  const samples = await samplesOf(pools.router)
  t.same([samples.sum('pd_body_over_limit_total', { stage: 'prefill' }), samples.sum('pd_prefill_decisions_total', { reason: 'prefill_failed' }), pools.alone()], [1, 1, 1])
})

t.test('retries of both legs are counted together', async t => {
  const pools = await startPools(t, { ...patient, prefills: 3, decodes: 3, retryMaxRetries: 4 })
  for (const worker of pools.decode) worker.answer = ways['status 500'] as Answer
  let failed = 0
  // whoever is asked first
  for (const worker of pools.prefill) {
    const { answer } = worker
    worker.answer = (...args) => failed++ < 2 ? args[1].writeHead(500).end() : answer(...args)
  }
  const got = await post(pools.url + '/v1/completions', { prompt: 'a' })
  t.equal(got.status, 500)
  const asked = (workers: readonly RawWorker[]): number => workers.reduce((sum, worker) => sum + worker.requests.length, 0)
  t.equal(asked(pools.decode), 2, 'four attempts in all: three retries, two of which were prefills')
  t.equal(asked(pools.prefill), 4, 'each decode had its own prefill')
  t.equal((await samplesOf(pools.router)).sum('retries_total'), 3)
})
