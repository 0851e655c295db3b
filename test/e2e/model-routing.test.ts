// A request goes to a worker that serves its model; adapters that come later are found, and what nobody serves is answered by a worker.
import t from 'tap'
import { send } from '../helpers/raw-client.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import type { RawWorker } from '../helpers/raw-worker.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

const json = [['Content-Type', 'application/json']] as const
const ask = (model: string): string => JSON.stringify({ model, messages: [{ role: 'user', content: 'x' }], prompt: 'x', input: 'x' })
const paths = ['/v1/chat/completions', '/v1/embeddings', '/tokenize', '/v1/responses', '/rerank', '/any/path']

t.test('two models, one of them in the form of an upload', async t => {
  const workers = await Promise.all([startRawWorker(t), startRawWorker(t)])
  const [a, b] = workers as [RawWorker, RawWorker]
  a.models = ['org/a', 'both']
  b.models = ['b', 'both', 'lora-of-b']
  const { port } = await startRouter(t, { workerUrls: [a.url, b.url], policy: 'round_robin' })
  const take = (): string[] => workers.map(worker => worker.requests.splice(0).length).map(String)
  for (const path of paths) {
    for (const [model, expected] of [['org/a', ['4', '0']], ['b', ['0', '4']], ['lora-of-b', ['0', '4']], ['both', ['2', '2']], ['\\u0062', ['0', '4']]] as const) {
      for (let count = 0; count < 4; count++) await send(port, { path, headers: json, body: ask(model).replace('\\\\u', '\\u') })
      t.same(take(), expected, `${path} ${model}`)
    }
  }
  const form = (model: string): string => `--x\r\nContent-Disposition: form-data; name="model"\r\n\r\n${model}\r\n--x--\r\n`
  for (const [model, expected] of [['org/a', ['2', '0']], ['b', ['0', '2']]] as const) {
    for (let count = 0; count < 2; count++) await send(port, { path: '/v1/audio/transcriptions', headers: [['Content-Type', 'multipart/form-data; boundary=x']], body: form(model) })
    t.same(take(), expected)
  }

  const list = await send(port, { method: 'GET', path: '/v1/models' })
  const { object, data } = JSON.parse(list.body.toString()) as { object: string, data: Array<{ id: string, object: string }> }
  t.equal(object, 'list')
  t.same(data.map(({ id }) => id).sort(), ['b', 'both', 'lora-of-b', 'org/a'])
  t.ok(data.every(({ object }) => object === 'model'))
  t.same(JSON.parse((await send(port, { method: 'GET', path: '/v1/models/org/a' })).body.toString()), { id: 'org/a', object: 'model' })
  t.same(JSON.parse((await send(port, { method: 'GET', path: '/v1/models/org%2Fa' })).body.toString()), { id: 'org/a', object: 'model' })
  t.same(take(), ['0', '0'], 'the router knows them itself')

  await b.close()
  for (let count = 0; count < 6; count++) await send(port, { path: '/tokenize', headers: json, body: ask('both') })
  await until('one model less', async () => !(await send(port, { method: 'GET', path: '/v1/models' })).body.toString().includes('lora-of-b'))
})

t.test('unknown models', async t => {
  const [first, second] = await startWorkers(t, 2, { interTokenLatencyMs: 1, prefillRate: 1e6 })
  const raw = await startRawWorker(t)
  const { port, router } = await startRouter(t, { workerUrls: [first?.url ?? '', second?.url ?? '', raw.url], policy: 'round_robin' })
  raw.models = ['simulated']
  raw.answer = (_request, response) => {
    response.writeHead(404, { 'content-type': 'application/json' })
    response.end('{"error":{"message":"The model `nope` does not exist.","type":"NotFoundError","param":"model","code":404}}')
  }
  const asked = (): number => raw.questions.filter(({ url }) => url === '/v1/models').length
  const known = asked()
  const started = performance.now()
  const burst = await Promise.all(Array.from({ length: 60 }, (_, at) => send(port, { path: '/v1/chat/completions', headers: json, body: ask(`nope-${at}`) })))
  t.ok(burst.every(({ status, body }) => status === 404 && body.toString().includes('NotFoundError')), 'a worker says that it does not exist')
  t.equal(asked(), known, 'just asked, so not asked again')

  const loaded = await send(Number(new URL(second?.url ?? '').port), { path: '/v1/load_lora_adapter', headers: json, body: '{"lora_name":"late","lora_path":"/late"}' })
  t.equal(loaded.status, 200)
  await until('5 s', () => performance.now() - started > 5100, 6000)
  await Promise.all(Array.from({ length: 60 }, () => send(port, { path: '/v1/chat/completions', headers: json, body: ask('late') })))
  await until('the adapter is known', () => router.workers.models().has('late'))
  t.equal(asked(), known + 1, 'one question in 5 s, however many requests')
  const served = await Promise.all(Array.from({ length: 9 }, () => send(port, { path: '/v1/chat/completions', headers: json, body: ask('late') })))
  t.ok(served.every(({ status }) => status === 200), 'all go to the worker that has it')
  t.equal(asked(), known + 1)
})
