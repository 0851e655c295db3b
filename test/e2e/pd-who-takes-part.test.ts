// What is split and what is not: other endpoints go to one decode worker, once; a client names no transfer; some requests cannot be split.
import t from 'tap'
import { post } from '../helpers/client.ts'
import { bodyOf, startPools } from '../helpers/pools.ts'
import { send } from '../helpers/raw-client.ts'
import { samplesOf } from '../helpers/samples.ts'

const json: [string, string] = ['content-type', 'application/json']

t.test('endpoints that make no KV cache go to one decode worker, once', async t => {
  const { port, prefill, decode, url, router } = await startPools(t)
  let asked = 0
  for (const [method, path] of [
    ['POST', '/tokenize'], ['POST', '/detokenize'], ['POST', '/v1/embeddings'], ['POST', '/v1/score'], ['POST', '/pooling'], ['POST', '/v1/audio/transcriptions'],
    ['POST', '/v1/messages'], ['POST', '/generate'], ['GET', '/version'], ['GET', '/v1/models/unknown'], ['POST', '/any/path'], ['DELETE', '/v1/responses/resp_1']
  ] as const) {
    const got = await send(port, { method, path, headers: [json], ...(method === 'POST' ? { body: '{"prompt":"a"}' } : {}) })
    t.equal(got.status, 200, path)
    t.equal(decode.reduce((sum, worker) => sum + worker.requests.length, 0), ++asked, `${path}: once`)
    t.equal(decode.flatMap(worker => worker.requests).some(request => request.body.includes('kv_transfer_params')), false)
  }
  t.equal(prefill.reduce((sum, worker) => sum + worker.requests.length, 0), 0)
  t.match(await (await fetch(url + '/v1/models')).json(), { object: 'list', data: [{ id: 'raw' }] })
  t.equal((await samplesOf(router)).sum('pd_requests_total'), 0)
})

t.test('a client names no transfer', async t => {
  const refused = await startPools(t, { prefills: 1, decodes: 1 })
  const named = { prompt: 'a', kv_transfer_params: { do_remote_prefill: true } }
  t.equal((await post(refused.url + '/v1/completions', named)).status, 400)
  t.same([refused.prefill[0]?.requests, refused.decode[0]?.requests], [[], []])
  const allowed = await startPools(t, { prefills: 1, decodes: 1, allowClientKvTransferParams: true })
  allowed.held.set('theirs', allowed.prefill[0] ?? t.fail() as never)
  const theirs = { prompt: 'a', kv_transfer_params: { do_remote_prefill: true, remote_request_id: 'theirs' } }
  t.equal((await post(allowed.url + '/v1/completions', theirs)).status, 200)
  t.same(allowed.prefill[0]?.requests, [], 'it is not split again')
  t.equal(allowed.decode[0]?.requests[0]?.body.toString(), JSON.stringify(theirs), 'as it is')
  t.equal((await post(allowed.url + '/v1/completions', { prompt: 'a', kv_transfer_params: null })).status, 200)
  t.equal(allowed.prefill[0]?.requests.length, 1, 'null names nothing')
})

t.test('requests whose legs would not do what they ask for', async t => {
  const { port, prefill, decode, router, alone } = await startPools(t, { prefills: 1, decodes: 1 })
  const cases = [
    ['/v1/completions', '{"prompt":["a","b"]}'], ['/v1/completions', '{"prompt":"a","n":2}'], ['/v1/chat/completions', '{"messages":[],"best_of":2}'],
    ['/v1/responses', '{"input":"a","background":true}'], ['/v1/responses', '{"input":"a","previous_response_id":"resp_0"}'], ['/inference/v1/generate', '{"token_ids":[1],"sampling_params":{"n":3}}']
  ] as const
  for (const [path, body] of cases) {
    t.equal((await send(port, { path, headers: [json], body })).status, 200, body)
    t.equal(decode[0]?.requests.at(-1)?.body.toString(), body)
  }
  t.same([prefill[0]?.requests.length, alone()], [0, cases.length])
  t.equal((await samplesOf(router)).sum('pd_prefill_decisions_total', { reason: 'unsplittable' }), cases.length)
})

t.test('a body that is no JSON object gets the decode worker\'s own answer', async t => {
  const { port, prefill, decode } = await startPools(t, { prefills: 1, decodes: 1 })
  const [worker] = decode
  if (worker !== undefined) worker.answer = (_request, response) => { response.writeHead(400).end('what is this?') }
  for (const body of ['', 'no JSON', '[1]', '{"prompt":']) {
    const got = await send(port, { path: '/v1/completions', headers: [json], body })
    t.same([got.status, got.body.toString()], [400, 'what is this?'], body)
  }
  t.same(prefill[0]?.requests, [])
})

t.test('a response goes on where it is known', async t => {
  const { url, prefill, decode } = await startPools(t, { prefills: 1, decodes: 2 })
  for (const worker of decode) {
    const before = worker.answer
    worker.answer = (request, response, socket) => {
      if (request.url !== '/v1/responses' || bodyOf(request).kv_transfer_params === undefined) return before(request, response, socket)
      response.setHeader('content-type', 'application/json')
      response.end('{"id":"resp_7","usage":{"input_tokens":39,"output_tokens":1,"total_tokens":40}}')
    }
  }
  t.match(await (await post(url + '/v1/responses', { input: 'a' })).json(), { id: 'resp_7', usage: { input_tokens: 40 } })
  const maker = decode.find(worker => worker.requests.length === 1)
  await (await post(url + '/v1/responses', { input: 'b', previous_response_id: 'resp_7' })).text()
  await (await fetch(url + '/v1/responses/resp_7')).text()
  t.same([maker?.requests.length, prefill[0]?.requests.length], [3, 1])
})
