// Every example does what it says.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { build as customPolicy } from '../../examples/custom-policy.ts'
import { build as embedded } from '../../examples/embed-in-app.ts'
import { build as pluginsAlone } from '../../examples/plugins-alone.ts'
import { environment, untapped } from '../helpers/environment.ts'
import { startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

const chat = { model: 'simulated', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 2 }

t.test('embed-in-app: own routes, two routers under their prefixes', async t => {
  const workers = await startWorkers(t, 2)
  const app = await embedded([workers[0]?.url ?? ''], [workers[1]?.url ?? ''])
  t.teardown(() => app.close())
  await app.ready()
  for (const prefix of ['/chat', '/embeddings']) await until('ready', async () => (await app.inject(`${prefix}/readiness`)).statusCode === 200)
  t.same((await app.inject('/hello')).json(), { hello: 'world' })
  t.equal((await app.inject({ method: 'POST', url: '/chat/v1/chat/completions', payload: chat })).statusCode, 200)
  t.equal((await app.inject({ method: 'POST', url: '/embeddings/v1/embeddings', payload: { model: 'simulated', input: 'Hi' } })).statusCode, 200)
  t.equal(workers[0]?.app.simulator.requests.some(request => request.url === '/v1/chat/completions'), true)
  t.equal(workers[1]?.app.simulator.requests.some(request => request.url === '/v1/embeddings'), true)
  t.match((await app.inject('/embeddings/metrics')).body, /vllm_router_embeddings_total 1/)
  t.equal((await app.inject('/v1/models')).statusCode, 404, 'nothing outside the prefixes')
})

t.test('custom-policy', async t => {
  const workers = await startWorkers(t, 2)
  const app = await customPolicy(workers.map(worker => worker.url))
  t.teardown(() => app.close())
  await app.ready()
  await until('both ready', async () => (await app.inject('/readiness')).json<{ healthy_workers?: number }>().healthy_workers === 2)
  const decision = async (plan: string): Promise<string> => {
    const { headers } = await app.inject({ method: 'POST', url: '/v1/chat/completions', payload: chat, headers: { 'x-plan': plan, 'x-vllm-router-explain': '1' } })
    return String(headers['x-vllm-router-decision'])
  }
  t.match(await decision('paid'), /policy=paid_first; reason=lower_load; candidates=2/)
  t.match(await decision('free'), /policy=paid_first; reason=only_candidate/)
})

t.test('plugins-alone', async t => {
  const workers = await startWorkers(t, 2)
  const app = await pluginsAlone(workers.map(worker => worker.url))
  t.teardown(() => app.close())
  await app.ready()
  t.equal((await app.inject({ method: 'POST', url: '/ask', payload: { question: 'too early' } })).statusCode, 503)
  await until('both ready', () => app.workers.candidates('regular').workers.length === 2)
  const answer = await app.inject({ method: 'POST', url: '/ask', payload: { question: 'Who are you?' } })
  t.match(answer.json(), { worker: /^w-[0-9a-f]{8}$/, reason: 'equal_load', answer: { object: 'text_completion' } })
  t.same(app.workers.list().map(worker => worker.inFlight), [0, 0])
})

t.test('simulated-fleet, as a program', async t => {
  const child = spawn(...untapped(process.execPath, [fileURLToPath(new URL('../../examples/simulated-fleet.js', import.meta.url))]), { env: environment, stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => { text += chunk.toString() })
  t.same(await once(child, 'close'), [0, null])
  t.match(text, /^worker=w-[0-9a-f]{8}; policy=cache_aware; reason=prefix_miss; candidates=[12]; match=0\.000\ndata: \{[^]*data: \[DONE\]\n\n$/)
})
