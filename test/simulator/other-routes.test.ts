// The rest of what a vLLM server has: pooling, ranking, tokens, audio, probes.
import t from 'tap'
import { at, post, worker } from './worker.ts'

t.test('embeddings, as numbers and as base64', async t => {
  const { url } = await worker(t)
  const plain: unknown = await (await post(`${url}/v1/embeddings`, { input: ['one', 'two', 'one'] })).json()
  t.match(plain, { object: 'list', data: [{ index: 0, object: 'embedding' }, { index: 1 }, { index: 2 }], usage: { completion_tokens: 0 } })
  const vector = at(plain, 'data.0.embedding') as number[]
  t.ok(Math.abs(vector.reduce((sum, value) => sum + value * value, 0) - 1) < 1e-9)
  t.same(at(plain, 'data.2.embedding'), vector)
  t.notSame(at(plain, 'data.1.embedding'), vector)
  const packed: unknown = await (await post(`${url}/v1/embeddings`, { input: 'one', encoding_format: 'base64' })).json()
  const bytes = Buffer.from(String(at(packed, 'data.0.embedding')), 'base64')
  t.equal(bytes.length, vector.length * 4)
  t.ok(Math.abs(bytes.readFloatLE(4) - (vector[1] ?? 0)) < 1e-6)
})

t.test('rank, score, classify, pool', async t => {
  const { url, app } = await worker(t)
  for (const path of ['/rerank', '/v1/rerank', '/v2/rerank']) {
    const ranked: unknown = await (await post(url + path, { query: 'q', documents: ['a', { text: 'b' }, 'c'], top_n: 2 })).json()
    const results = at(ranked, 'results') as unknown[]
    t.equal(results.length, 2)
    t.ok(Number(at(results[0], 'relevance_score')) >= Number(at(results[1], 'relevance_score')))
    t.equal(at(results[0], 'document.text'), ['a', 'b', 'c'][Number(at(results[0], 'index'))])
  }
  for (const path of ['/score', '/v1/score']) {
    t.match(await (await post(url + path, { text_1: 'q', text_2: ['a', 'b'] })).json(), { data: [{ index: 0, object: 'score', score: Number }, { index: 1 }] })
  }
  t.equal((await post(`${url}/score`, { text_1: ['p', 'q'], text_2: ['a', 'b', 'c'] })).status, 400)
  t.match(await (await post(`${url}/classify`, { input: 'x' })).json(), { data: [{ label: /^LABEL_[01]$/, num_classes: 2 }] })
  t.match(await (await post(`${url}/pooling`, { input: 'x' })).json(), { data: [{ object: 'pooling', data: [Number] }] })
  t.equal(app.simulator.engines[0]?.stats().finished.stop, 3 * 3 + 2 * 2 + 2, 'each text went through the engine')
})

t.test('tokens', async t => {
  const { url } = await worker(t)
  const told: unknown = await (await post(`${url}/tokenize`, { prompt: 'Hello, world', return_token_strs: true })).json()
  t.equal(at(told, 'max_model_len'), 32_768)
  t.equal(at(told, 'count'), (at(told, 'tokens') as unknown[]).length)
  t.equal((at(told, 'token_strs') as string[]).join(''), 'Hello, world')
  t.same(await (await post(`${url}/detokenize`, { tokens: at(told, 'tokens') })).json(), { prompt: 'Hello, world' })
  const messages = [{ role: 'user', content: 'Hello' }]
  const count = at(await (await post(`${url}/tokenize`, { messages })).json(), 'count')
  t.equal(at(await (await post(`${url}/v1/chat/completions`, { messages })).json(), 'usage.prompt_tokens'), count)
  t.match(await (await post(`${url}/generate`, { prompt: 'Once', max_tokens: 2 })).json(), { text: [/^Once( [a-z]{3}){2}$/] })
  const generated: unknown = await (await post(`${url}/inference/v1/generate`, { token_ids: [1, 2, 3], sampling_params: { max_tokens: 4 } })).json()
  t.equal((at(generated, 'choices.0.token_ids') as unknown[]).length, 4)
})

t.test('audio comes as a form and is counted', async t => {
  const { url } = await worker(t)
  const form = new FormData()
  form.set('model', 'simulated')
  form.set('file', new Blob([new Uint8Array(5000)]), 'a.wav')
  const answer = at(await (await fetch(`${url}/v1/audio/transcriptions`, { method: 'POST', body: form })).json(), 'text')
  t.ok(Number(/^(\d+) bytes$/.exec(String(answer))?.[1]) > 5000)
})

t.test('probes', async t => {
  const { url } = await worker(t)
  for (const path of ['/health', '/ping']) {
    const response = await fetch(url + path)
    t.equal(response.status, 200)
    t.equal(await response.text(), '')
  }
  t.same(await (await fetch(`${url}/version`)).json(), { version: '0.32.0' })
  t.same(await (await fetch(`${url}/load`)).json(), { server_load: 0 })
  t.same(await (await fetch(`${url}/flush_cache`, { method: 'POST' })).json(), { success: true })
})
