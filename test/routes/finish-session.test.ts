// Sessions over the wire: they stay with their worker through a retry, /finish_session frees them, in both pools of a split fleet.
import t from 'tap'
import { chat, post } from '../helpers/client.ts'
import { startPools } from '../helpers/pools.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'

t.test('a session is freed by its name', async t => {
  const workers = await startWorkers(t, 3)
  const { url, router } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), policy: 'sticky_least_loaded' })
  const sizes = (): number[] => router.workers.list().map(worker => router.balancer.policy.size?.(worker) ?? -1)
  for (let turn = 0; turn < 3; turn++) {
    for (let i = 0; i < 6; i++) await (await post(url + '/v1/chat/completions', chat('hello', turn % 2 === 0 ? {} : { user: 'ignored' }), { 'x-session-id': `s${i}` })).text()
  }
  t.same(sizes(), [2, 2, 2])
  const finish = (query: string): Promise<Response> => fetch(`${url}/finish_session${query}`, { method: 'POST' })
  const answer = await finish('?session_id=s%30')
  t.equal(answer.status, 200)
  t.same(await answer.json(), { status: 'ok', session_id: 's0' })
  t.equal(sizes().reduce((sum, size) => sum + size), 5)
  t.equal((await finish('?session_id=unknown')).status, 200)
  const many = await post(`${url}/finish_session?session_id=s1`, {})
  t.same(await many.json(), { status: 'ok', session_id: 's1' }, 'with a body, which nobody reads')
  t.equal(sizes().reduce((sum, size) => sum + size), 4)
  for (const query of ['', '?session_id=', '?session=s2']) t.equal((await finish(query)).status, 400)
  t.equal((await fetch(`${url}/finish_session?session_id=s2`)).status, 405)
})

t.test('other policies know no sessions', async t => {
  const { url } = await startRouter(t, { policy: 'round_robin' })
  t.same(await (await fetch(`${url}/finish_session?session_id=a`, { method: 'POST' })).json(), { status: 'ok', session_id: 'a' })
})

t.test('headers that an option names, in place of the known ones', async t => {
  const workers = await startWorkers(t, 2)
  const { url } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), policy: 'consistent_hash', sessionHeaders: ['X-Mine'], explainDecisions: true })
  const reasonOf = async (headers: Record<string, string>): Promise<string | undefined> => {
    const answer = await post(url + '/v1/chat/completions', chat('hello'), headers)
    await answer.text()
    return /reason=(\w+)/.exec(answer.headers.get('x-vllm-router-decision') ?? '')?.[1]
  }
  t.equal(await reasonOf({ 'x-mine': 'a', 'x-request-id': 'r' }), 'header')
  t.equal(await reasonOf({ 'x-session-id': 'a', 'x-request-id': 'r' }), 'conversation')
})

t.test('a retry leaves the session where it was', async t => {
  let failing = ''
  const workers = await Promise.all([0, 1, 2].map(async () => {
    const worker = await startRawWorker(t)
    worker.answer = (_request, response) => {
      response.statusCode = worker.url === failing ? 500 : 200
      response.end('{}')
    }
    return worker
  }))
  const { url, router } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), policy: 'sticky_least_loaded', retryInitialBackoffMs: 1, disableOutlierDetection: true })
  const served: string[] = []
  router.calls.on('answered', call => served.push(call.assignment.worker.url))
  const ask = async (): Promise<string> => {
    t.equal((await post(url + '/v1/chat/completions', chat('hello'), { 'session-id': 'agent' })).status, 200)
    return served.at(-1) ?? ''
  }
  const home = await ask()
  failing = home
  const deputy = await ask()
  t.not(deputy, home)
  t.equal(await ask(), deputy)
  failing = ''
  t.equal(await ask(), home)
})

t.test('each pool of a split fleet has its sessions', async t => {
  const { url, router } = await startPools(t, { prefills: 3, decodes: 2, policy: 'sticky_least_loaded' })
  for (let turn = 0; turn < 2; turn++) {
    for (let i = 0; i < 6; i++) t.equal((await post(url + '/v1/completions', { prompt: `${i} `.repeat(300), prompt_cache_key: `k${i}` })).status, 200)
  }
  const sizes = (): number[] => router.workers.list().map(worker => router.balancer.policyOf(worker.role).size?.(worker) ?? -1)
  t.same(sizes(), [2, 2, 2, 3, 3])
  for (let i = 0; i < 6; i++) await fetch(`${url}/finish_session?session_id=k${i}`, { method: 'POST' })
  t.same(sizes(), [0, 0, 0, 0, 0])
})
