// What the router itself refuses, and what it leaves to the worker: kv_transfer_params, long bodies, no worker, bodies that are no JSON.
import t from 'tap'
import { send } from '../helpers/raw-client.ts'
import { bytes, startRawWorker, valuesOf } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'

const json = [['Content-Type', 'application/json']] as const
const paths = ['/v1/chat/completions', '/v1/completions', '/v1/responses', '/generate', '/tokenize', '/any/path', '/v1/responses/resp_1']

function codeOf (body: Buffer): string {
  return (JSON.parse(body.toString()) as { error: { code: string } }).error.code
}

t.test('kv_transfer_params', async t => {
  const worker = await startRawWorker(t)
  const { port, router } = await startRouter(t, { workerUrls: [worker.url] })
  const refused = [
    '{"kv_transfer_params":{"do_remote_prefill":true}}', ' {"a":[{}],\n"kv_transfer_params" : {}}', '{"kv\\u005ftransfer_params":{"x":1}}', '\ufeff{"kv_transfer_params":{"x":1}}',
    '{"kv_transfer_params":null,"kv_transfer_params":{"x":1}}', '{"kv_transfer_params":0}', Buffer.from('{"kv_transfer_params":{}}', 'utf16le')
  ]
  const passed = ['{"kv_transfer_params":null}', '{"messages":[{"kv_transfer_params":{}}]}', '{"prompt":"\\"kv_transfer_params\\":{}"}', '{"KV_TRANSFER_PARAMS":{}}']
  for (const path of paths) {
    for (const headers of [json, [['content-type', 'application/vnd.x+JSON; a=b']] as const, []]) {
      for (const body of refused) {
        const got = await send(port, { path, headers, body })
        t.same([got.status, codeOf(got.body), worker.requests.length], [400, 'kv_transfer_params_refused', 0], `${path} ${JSON.stringify(body.toString())}`)
      }
      for (const body of passed) {
        t.equal((await send(port, { path, headers, body })).status, 200, body)
        t.equal(worker.requests.pop()?.body.toString(), body)
      }
    }
  }
  // whatever its type says, for some workers do not ask; what only looks like JSON in UTF-16 is an upload
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'audio/wav', 'multipart/form-data; boundary=x']) {
    const got = await send(port, { path: '/generate', headers: [['Content-Type', type]], body: refused[0] ?? '' })
    t.same([got.status, worker.requests.length], [400, 0], type)
    t.equal((await send(port, { path: '/generate', headers: [['Content-Type', type]], body: refused.at(-1) ?? '' })).status, 200, type)
    worker.requests.length = 0
  }
  t.equal(router.workers.list()[0]?.inFlight, 0)
  const { port: allowing } = await startRouter(t, { workerUrls: [worker.url], allowClientKvTransferParams: true })
  for (const path of paths) {
    await send(allowing, { path, headers: json, body: refused[0] ?? '' })
    t.equal(worker.requests.pop()?.body.toString(), refused[0])
  }
})

t.test('long bodies', async t => {
  const worker = await startRawWorker(t)
  const { port } = await startRouter(t, { workerUrls: [worker.url], maxPayloadSize: 1000 })
  for (const path of paths) {
    for (const chunked of [undefined, 300]) {
      const more = chunked === undefined ? {} : { chunked }
      t.equal((await send(port, { path, headers: json, body: 'x'.repeat(1000), ...more })).status, 200)
      t.equal(worker.requests.pop()?.body.length, 1000)
      for (const headers of [json, [['content-type', 'multipart/form-data; boundary=x']] as const, []]) {
        const got = await send(port, { path, headers: [...headers, ['x-request-id', 'long']], body: 'x'.repeat(1001), ...more })
        t.same([got.status, codeOf(got.body), valuesOf(got.headers, 'x-request-id')], [413, 'payload_too_large', ['long']], path)
      }
    }
  }
  t.equal(worker.requests.length, 0)
})

t.test('no worker', async t => {
  const none = await startRouter(t, { workerUrls: [] })
  const starting = await startRouter(t, { workerUrls: ['http://127.0.0.1:9'] }, false)
  for (const { port } of [none, starting]) {
    for (const path of [...paths, '/v1/models']) {
      const got = await send(port, path === '/v1/models' ? { method: 'GET', path } : { path, body: '{}' })
      t.same([got.status, codeOf(got.body), valuesOf(got.headers, 'retry-after')], [503, 'no_available_workers', ['1']], path)
      t.notMatch(got.body.toString(), /127\.0\.0\.1/)
      t.equal(valuesOf(got.headers, 'x-request-id').length, 1)
    }
  }
})

t.test('the worker judges bodies that are no JSON', async t => {
  const error = '{"error":{"message":"1 validation error:\\n","type":"Bad Request","param":"body.1","code":400}}'
  const worker = await startRawWorker(t, bytes(`HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: ${error.length}\r\nConnection: close\r\n\r\n${error}`))
  for (const policy of ['cache_aware', 'consistent_hash', 'rendezvous_hash', 'power_of_two', 'round_robin', 'random'] as const) {
    const { port } = await startRouter(t, { workerUrls: [worker.url], policy })
    for (const path of paths) {
      for (const body of ['', '{', '[[[', '"', 'null', '{"model":', '{"model":5,"messages":{"a":1},"stream":"yes"}', '\0\0\0\x01', '{"a":1}{"b":2}', '{"model":"x",}', 'tru', '{"messages":[{"role":"user"']) {
        const got = await send(port, { path, headers: json, body })
        t.same([got.status, got.body.toString(), worker.requests.pop()?.body.toString()], [400, error, body], `${policy} ${path} ${JSON.stringify(body)}`)
      }
    }
  }
})
