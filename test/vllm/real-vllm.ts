// Two real vLLM servers behind the router: what clients do, and that the engines stop when they leave. Run by `npm run test:vllm`.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import OpenAI from 'openai'
import { startRouter } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'
import { drawModel, findVllm, modelName, startVllm } from './vllm-server.ts'

const vllm = findVllm()
if (vllm === undefined) {
  process.stdout.write('skipped: vLLM is not installed here (no `vllm` on the PATH; VLLM=/path/to/vllm names one)\n')
  process.exit(0)
}

const directory = mkdtempSync(join(tmpdir(), 'vllm-router-test-'))
const model = join(directory, 'model')
const running = 'vllm:num_requests_running'
t.setTimeout(1_500_000)
t.comment(`drawing the tiny model; logs in ${directory}`)
drawModel(vllm, model)
const started = performance.now()
const servers = await Promise.all([startVllm(vllm, model, directory), startVllm(vllm, model, directory)])
t.teardown(() => Promise.all(servers.map(server => server.stop())))
t.comment(`two vLLM servers answer after ${Math.round((performance.now() - started) / 1000)} s`)

const { url, router } = await startRouter(t, { workerUrls: servers.map(server => server.url) })
const client = new OpenAI({ baseURL: url + '/v1', apiKey: 'any', maxRetries: 0 })
const totalRunning = async (): Promise<number> => (await Promise.all(servers.map(server => server.metric(running)))).reduce((a, b) => a + b)

await t.test('models', async t => {
  const models = (await client.models.list()).data.map(one => one.id)
  t.same(models, [modelName])
})

await t.test('chat', async t => {
  const answer = await client.chat.completions.create({ model: modelName, max_tokens: 8, messages: [{ role: 'user', content: 'Say something.' }] })
  t.equal(answer.object, 'chat.completion')
  t.ok((answer.usage?.completion_tokens ?? 0) > 0)
})

await t.test('chat, streamed', async t => {
  const stream = await client.chat.completions.create({
    model: modelName, max_tokens: 12, stream: true, stream_options: { include_usage: true }, messages: [{ role: 'user', content: 'Say something.' }]
  })
  let chunks = 0
  let tokens: number | undefined
  for await (const chunk of stream) {
    chunks++
    tokens = chunk.usage?.completion_tokens ?? tokens
  }
  t.ok(chunks > 2)
  t.ok((tokens ?? 0) > 0)
})

await t.test('completions', async t => {
  const answer = await client.completions.create({ model: modelName, max_tokens: 8, prompt: 'Once upon a time' })
  t.equal(answer.choices.length, 1)
})

await t.test('tokenize', async t => {
  const answer = await fetch(url + '/tokenize', {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ model: modelName, prompt: 'hello' })
  })
  t.equal(answer.status, 200)
  const { count } = await answer.json() as { count: number }
  t.equal(count, 5, 'one token a byte')
})

await t.test('an unknown model is the worker\'s own 404', async t => {
  const refused: unknown = await client.chat.completions.create({ model: 'nope', messages: [{ role: 'user', content: 'x' }] }).catch((error: unknown) => error)
  t.match(refused, { status: 404, type: 'NotFoundError' })
})

await t.test('a conversation stays with the worker that has it cached', async t => {
  const long = 'All happy families are alike; each unhappy family is unhappy in its own way. '.repeat(6)
  const first = { model: modelName, max_tokens: 4, messages: [{ role: 'user' as const, content: long }] }
  await client.chat.completions.create(first)
  const again = await client.chat.completions.create({
    ...first, messages: [...first.messages, { role: 'assistant', content: 'Yes.' }, { role: 'user', content: 'And then?' }]
  })
  t.ok((again.usage?.prompt_tokens_details?.cached_tokens ?? 0) >= 256, `cached ${again.usage?.prompt_tokens_details?.cached_tokens} of ${again.usage?.prompt_tokens}`)
})

for (const stream of [true, false]) {
  await t.test(`a client that leaves stops the engine, ${stream ? 'streaming' : 'not streaming'}`, async t => {
    const gone = new AbortController()
    const request = fetch(url + '/v1/completions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: modelName, prompt: 'Tell me everything', max_tokens: 1900, ignore_eos: true, stream }),
      signal: gone.signal
    }).then(async answer => await answer.text())
    request.catch(() => {})
    await until('the engine runs the request', async () => await totalRunning() === 1, 20_000)
    const left = performance.now()
    gone.abort()
    await until('the engine runs nothing', async () => await totalRunning() === 0, 2000)
    t.comment(`engine idle ${Math.round(performance.now() - left)} ms after the client left`)
    t.ok(router.workers.list().every(worker => worker.inFlight === 0), 'no lease is left')
  })
}

await t.test('a killed worker is out within a second under load, the other one serves', async t => {
  const [victim, other] = servers
  const pid = victim?.process.pid
  if (pid === undefined) throw new Error('no server to kill')
  process.kill(-pid, 'SIGKILL')
  const killed = performance.now()
  const states = (): string[] => router.workers.list().map(worker => worker.state)
  await until('it is seen dead', async () => {
    await client.completions.create({ model: modelName, max_tokens: 1, prompt: String(Math.random()) }).catch(() => {})
    return states().includes('unhealthy')
  }, 1000)
  t.comment(`out after ${Math.round(performance.now() - killed)} ms`)
  const answer = await client.completions.create({ model: modelName, max_tokens: 1, prompt: 'still there?' })
  t.equal(answer.choices.length, 1, `served by ${other?.url === undefined ? 'nobody' : 'the other one'}`)
})
