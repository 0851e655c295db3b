// A prefill worker that pushes: from its second request on both legs run at the same time, and each ends with the other.
import t from 'tap'
import type { Worker } from '../../core/worker.ts'
import type { Policy } from '../../policies/index.ts'
import { post } from '../helpers/client.ts'
import { bodyOf, startPools } from '../helpers/pools.ts'
import type { Pools, PoolsOptions } from '../helpers/pools.ts'
import { open, requestBytes } from '../helpers/raw-client.ts'
import { valuesOf } from '../helpers/raw-worker.ts'
import type { Answer, Recorded } from '../helpers/raw-worker.ts'
import { samplesOf } from '../helpers/samples.ts'
import { until } from '../helpers/until.ts'

const idOf = (request: Recorded | undefined): string => valuesOf(request?.rawHeaders ?? [], 'x-request-id').join()

/** Pools whose prefill workers push: a decode worker that names one waits until that one has made its prefill. */
async function pushing (t: Parameters<typeof startPools>[0], options: PoolsOptions = {}): Promise<Pools & { sent: Set<string> }> {
  const pools = await startPools(t, options)
  const sent = new Set<string>()
  const waiting = new Map<string, () => void>()
  // a decode worker makes its first token later than the prefill worker answers
  pools.router.calls.on('settled', call => {
    if (call.leg === 'prefill') for (const [id, answer] of waiting) if (sent.has(id) && waiting.delete(id)) answer()
  })
  pools.prefill.forEach((worker, index) => {
    worker.answer = (request, response) => {
      sent.add(idOf(request))
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({
        usage: { prompt_tokens: 40, prompt_tokens_details: { cached_tokens: 7 } },
        kv_transfer_params: { do_remote_prefill: true, transfer_mode: 'push', remote_engine_id: `engine-${index}`, remote_host: '10.0.0.1', remote_port: 5600, tp_size: 1, remote_request_id: idOf(request) }
      }))
    }
  })
  for (const worker of pools.decode) {
    worker.answer = (request, response) => {
      const params = bodyOf(request).kv_transfer_params
      const answer = (): void => {
        response.setHeader('content-type', 'application/json')
        response.end(`{"id":"chatcmpl-${idOf(request)}","text":"hi","usage":{"prompt_tokens":40,"completion_tokens":5,"total_tokens":45,"prompt_tokens_details":{"cached_tokens":39}}}`)
      }
      if (params == null || sent.has(params.remote_request_id ?? '')) answer()
      else waiting.set(params.remote_request_id ?? '', answer)
    }
  }
  return { ...pools, sent }
}

const ask = (pools: Pools, id: string): Promise<Response> => post(pools.url + '/v1/completions', { prompt: 'a' }, { 'x-request-id': id })

t.test('both at once', async t => {
  const pools = await pushing(t, { prefills: 1, decodes: 1 })
  const [[prefill], [decode]] = [pools.prefill, pools.decode]
  if (prefill === undefined || decode === undefined) throw new Error('no workers')
  t.equal((await ask(pools, 'first')).status, 200)
  t.same([idOf(prefill.requests[0]), idOf(decode.requests[0])], ['first', 'first'], 'one after the other, until the worker is known')

  const { answer } = prefill
  let release: () => void = () => {}
  prefill.answer = (...args) => { release = () => answer(...args) }
  const answered = ask(pools, 'second')
  await until('both have begun', () => prefill.requests.length === 2 && decode.requests.length === 2)
  release()
  const got = await answered
  t.match(await got.json(), { id: 'chatcmpl-second', usage: { prompt_tokens: 40, total_tokens: 45, prompt_tokens_details: { cached_tokens: 7 } } }, 'the prompt\'s side is the prefill worker\'s')
  t.equal(got.headers.get('x-request-id'), 'second')
  const id = idOf(prefill.requests[1])
  t.match(id, /^second-[0-9a-f]{16}$/, 'an id that no client can have chosen')
  t.equal(idOf(decode.requests[1]), id)
  t.same(valuesOf(prefill.requests[1]?.rawHeaders ?? [], 'x-correlation-id'), ['second'])
  t.same(bodyOf(decode.requests[1] as Recorded).kv_transfer_params, { do_remote_prefill: true, do_remote_decode: false, remote_engine_id: 'engine-0', remote_host: '10.0.0.1', remote_port: 5600, tp_size: 1, remote_request_id: id })

  // the worker may be another process behind the same address
  prefill.answer = (_request, _response, socket) => { socket.resetAndDestroy() }
  t.equal((await ask(pools, 'third')).status, 200)
  prefill.answer = answer
  t.equal((await ask(pools, 'fourth')).status, 200)
  t.equal(idOf(prefill.requests.at(-1)), 'fourth', 'who it is must be learned again')
  await until('no lease is left', () => pools.router.workers.list().every(worker => worker.inFlight === 0))
})

t.test('a prefill that fails while the decode worker waits', async t => {
  for (const [name, way] of [
    ['reset', (_request, _response, socket) => { socket.resetAndDestroy() }], ['status 500', (_request, response) => { response.writeHead(500).end('oh') }],
    ['hanging', () => {}], ['no JSON', (_request, response) => { response.end('oh') }]
  ] as ReadonlyArray<[string, Answer]>) {
    for (const prefills of [2, 1]) {
      const pools = await pushing(t, { prefills, decodes: 2, firstByteTimeoutSecs: 1, cbFailureThreshold: 1000, disableOutlierDetection: true })
      for (let i = 0; i < prefills; i++) await (await ask(pools, `learn-${i}`)).text()
      const [bad] = pools.prefill
      if (bad !== undefined) bad.answer = way
      const statuses = await Promise.all(Array.from({ length: 6 }, async (_, i) => (await ask(pools, `r-${i}`)).status))
      t.same(statuses, [200, 200, 200, 200, 200, 200], `${name}, ${prefills} prefill workers`)
      await until('no lease is left', () => pools.router.workers.list().every(worker => worker.inFlight === 0))
      const samples = await samplesOf(pools.router)
      t.equal(samples.sum('cb_outcomes_total', { outcome: 'failure' }), bad === undefined ? 0 : samples.sum('cb_outcomes_total', { outcome: 'failure', worker: bad.url }), 'no decode worker is to blame')
      t.equal(samples.sum('pd_decode_errors_total'), 0)
      const alone = ['no_prefill', 'prefill_failed'].map(reason => samples.sum('pd_prefill_decisions_total', { reason }))
      t.equal(alone.reduce((sum, count) => sum + count), prefills === 1 ? 6 : 0, 'decisions for the decode worker alone')
    }
  }
})

t.test('a refusal of the prefill worker reaches the client', async t => {
  const pools = await pushing(t, { prefills: 1, decodes: 1 })
  await (await ask(pools, 'learn')).text()
  const [worker] = pools.prefill
  if (worker !== undefined) worker.answer = (_request, response) => { response.writeHead(400).end('too long') }
  const got = await ask(pools, 'second')
  t.same([got.status, await got.text()], [400, 'too long'])
  await until('the decode worker was let go', () => pools.decode[0]?.aborts === 1)
})

t.test('a decode worker that fails while the prefill goes on', async t => {
  const pools = await pushing(t, { prefills: 1, decodes: 2 })
  await (await ask(pools, 'learn')).text()
  const [prefill] = pools.prefill
  const [bad] = pools.decode
  if (prefill === undefined || bad === undefined) throw new Error('no workers')
  const { answer } = prefill
  // it goes on for as long as its decode worker is the bad one
  prefill.answer = (request, ...rest) => {
    void until('a decode worker has it', () => pools.decode.find(worker => worker.requests.some(one => idOf(one) === idOf(request))))
      .then(worker => { if (worker !== bad) answer(request, ...rest) })
  }
  bad.answer = (_request, response) => { response.writeHead(500).end('oh') }
  bad.requests.length = 0
  // whichever the turn begins with, the bad one is met
  const statuses = await Promise.all([ask(pools, 'a'), ask(pools, 'b')].map(async response => (await response).status))
  t.same(statuses, [200, 200])
  t.ok(bad.requests.length > 0)
  await until('prefills nobody waits for were given up', () => prefill.aborts === bad.requests.length)
  await until('no lease is left', () => pools.router.workers.list().every(worker => worker.inFlight === 0))
})

t.test('a prefill worker whose decode worker waited in vain is not chosen again', async t => {
  // whoever is asked to choose takes the first there is
  const first: Policy = { name: 'first', pick: ({ workers: [worker] }) => ({ worker: worker as Worker, reason: 'random' }) }
  const pools = await pushing(t, { prefills: 2, decodes: 2, prefillPolicy: first, disableOutlierDetection: true, disableCircuitBreaker: true })
  const { workers } = pools.router
  const [hanging, good] = workers.candidates('prefill').workers.map(({ url }) => pools.prefill.find(worker => worker.url === url))
  if (hanging === undefined || good === undefined) throw new Error('no workers')
  const learnt = async (): Promise<boolean> => (await ask(pools, 'learn')).ok
  t.ok(await learnt())
  // the other one, too, so that both legs run at once with either
  const [one] = workers.candidates('prefill').workers
  if (one !== undefined) workers.hold(one, 'pause')
  t.ok(await learnt())
  if (one !== undefined) workers.unhold(one, 'pause')
  t.same([hanging.requests.length, good.requests.length], [1, 1])

  hanging.answer = () => {}
  for (const worker of pools.decode) {
    const { answer } = worker
    worker.answer = (request, response, socket) => {
      const waits = hanging.requests.some(one => idOf(one) === idOf(request))
      if (waits) response.writeHead(500).end('nothing came')
      else answer(request, response, socket)
    }
  }
  const got = await ask(pools, 'second')
  t.same([got.status, (await got.json() as { id: string }).id], [200, 'chatcmpl-second'])
  t.same([hanging.requests.length, good.requests.length], [2, 2], 'each was asked once')
  await until('the one in vain was let go', () => hanging.aborts === 1)
  await until('no lease is left', () => workers.list().every(worker => worker.inFlight === 0))
})

t.test('a prefill worker that pushes no more', async t => {
  const pools = await pushing(t, { prefills: 1, decodes: 1 })
  const [prefill] = pools.prefill
  if (prefill === undefined) throw new Error('no worker')
  t.equal((await ask(pools, 'first')).status, 200)
  const { answer } = prefill
  // as after a change of its settings that no connection has shown
  prefill.answer = (request, response, socket) => {
    const whole = response.end.bind(response) as (text: string) => typeof response
    response.end = ((text: string) => whole(text.replace('"transfer_mode":"push",', ''))) as typeof response.end
    answer(request, response, socket)
  }
  for (const id of ['second', 'third']) t.equal((await ask(pools, id)).status, 200)
  t.match(idOf(prefill.requests[1]), /^second-/, 'nobody knows it yet')
  t.equal(idOf(prefill.requests[2]), 'third', 'one after the other again')
})

t.test('the client leaves: both end', async t => {
  const pools = await pushing(t, { prefills: 1, decodes: 1 })
  await (await ask(pools, 'learn')).text()
  const [[prefill], [decode]] = [pools.prefill, pools.decode]
  if (prefill === undefined || decode === undefined) throw new Error('no workers')
  prefill.answer = decode.answer = () => {}
  const { socket } = open(pools.port, requestBytes({ path: '/v1/completions', headers: [['content-type', 'application/json']], body: '{"prompt":"a"}' }))
  await until('both have begun', () => prefill.requests.length === 2 && decode.requests.length === 2)
  socket.destroy()
  await until('both workers know', () => prefill.aborts === 1 && decode.aborts === 1)
  await until('no lease is left', () => pools.router.workers.list().every(worker => worker.inFlight === 0))
  t.equal((await samplesOf(pools.router)).sum('pd_leaked_prefills_total'), 0, 'a prefill that was ended keeps nothing')
})
