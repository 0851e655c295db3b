// A caller that is limited to models gets no worker to use another: whatever could be read in two ways, or names no model, is refused before a worker sees it.
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { send } from '../helpers/raw-client.ts'
import type { RawRequest } from '../helpers/raw-client.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

const json = ['content-type', 'application/json'] as const
const limited = ['x-me', 'limited'] as const
const form = 'multipart/form-data; boundary=b'
const part = (name: string, value: string): string => `--b\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`

t.test('a limited caller', async t => {
  const worker = await startRawWorker(t)
  worker.models = ['a', 'b', 'secret']
  const { port, router } = await startRouter(t, {
    workerUrls: [worker.url],
    authenticate: ({ headers }) => headers['x-me'] === 'limited' ? { name: 'l', models: ['a', 'b'] } : headers['x-me'] === 'all' ? { name: 'f' } : headers['x-me'] === 'star' ? { name: 's', models: ['*'] } : null
  })
  t.equal(router.workers.models().size, 3)
  const ask = async (request: RawRequest, me: readonly [string, string] = limited): Promise<{ status: number, code: string | undefined, reached: boolean, body: string }> => {
    const before = worker.requests.length
    const { status, body } = await send(port, { ...request, headers: [me, ...request.headers ?? []] })
    const text = body.toString()
    const code = text === '{}' || text === '' ? undefined : (JSON.parse(text) as { error?: { code?: string } }).error?.code
    return { status, code, reached: worker.requests.length > before, body: text }
  }
  const post = (path: string, body: string | Buffer, ...headers: Array<readonly [string, string]>): RawRequest => ({ path, body, headers: headers.length > 0 ? headers : [json] })

  await t.test('may use his models where the request says so', async t => {
    const paths = [
      '/v1/chat/completions', '/v1/completions', '/v1/messages', '/v1/messages/count_tokens', '/v1/embeddings', '/v1/audio/speech', '/v1/responses', '/inference/v1/generate', '/tokenize',
      '/detokenize', '/score', '/v1/score', '/rerank', '/v1/rerank', '/v2/rerank', '/pooling', '/classify', '/v1/chat/completions/render', '/v1/completions/render'
    ]
    for (const path of paths) {
      t.match(await ask(post(path, '{"model":"a"}')), { status: 200, reached: true }, path)
      t.match(await ask(post(path + '?x=1', '{"model":"secret","model":"b"}')), { status: 200, reached: true }, path)
      t.match(await ask(post(path, '{"model":"secret"}')), { status: 403, code: 'model_not_allowed', reached: false }, path)
    }
    for (const path of ['/v1/audio/transcriptions', '/v1/audio/translations']) {
      t.match(await ask(post(path, part('model', 'a') + '--b--', ['content-type', form])), { status: 200, reached: true }, path)
      t.match(await ask(post(path, part('model', 'secret') + '--b--', ['content-type', form])), { status: 403, code: 'model_not_allowed', reached: false }, path)
    }
  })

  await t.test('gets nothing by bodies that name none for sure', async t => {
    const big = 'x'.repeat(200_000)
    const cases: ReadonlyArray<[name: string, request: RawRequest]> = [
      ['no model', post('/v1/chat/completions', '{"messages":[]}')],
      ['null', post('/v1/chat/completions', '{"model":null}')],
      ['an empty name', post('/v1/chat/completions', '{"model":""}')],
      ['a number', post('/v1/chat/completions', '{"model":1}')],
      ['a list', post('/v1/chat/completions', '{"model":["a"]}')],
      ['the last one counts', post('/v1/chat/completions', '{"model":"a","model":"secret"}')],
      ['the last one counts, and is none', post('/v1/chat/completions', '{"model":"a","model":null}')],
      ['an escaped name', post('/v1/chat/completions', '{"model":"a","mod\\u0065l":"secret"}')],
      ['an inner one', post('/v1/chat/completions', '{"x":{"model":"a"}}')],
      ['no body', { path: '/v1/chat/completions', headers: [json] }],
      ['no JSON', post('/v1/chat/completions', 'model=a')],
      ['a form', post('/v1/chat/completions', 'model=a', ['content-type', 'application/x-www-form-urlencoded'])],
      ['UTF-16', post('/v1/chat/completions', Buffer.from('\ufeff{"model":"secret"}', 'utf16le'))],
      ['cut off', post('/v1/chat/completions', '{"model":"a"')],
      ['gzip', post('/v1/chat/completions', gzipSync('{"model":"a"}'), json, ['content-encoding', 'gzip'])],
      ['gzip, says the header', post('/v1/chat/completions', '{"model":"a"}', json, ['content-encoding', 'gzip'])],
      ['two encodings', post('/v1/chat/completions', '{"model":"a"}', json, ['content-encoding', 'identity'], ['content-encoding', 'gzip'])],
      ['two encodings, turned round', post('/v1/chat/completions', '{"model":"a"}', json, ['content-encoding', 'gzip'], ['content-encoding', 'identity'])],
      ['no type', { path: '/v1/chat/completions', body: '{"model":"a"}' }],
      ['another type', post('/v1/chat/completions', '{"model":"a"}', ['content-type', 'text/plain'])],
      ['an odd type', post('/v1/chat/completions', '{"model":"a"}', ['content-type', 'json'])],
      ['an upload as JSON', post('/v1/audio/transcriptions', '{"model":"a"}')],
      ['JSON as an upload', post('/v1/chat/completions', part('model', 'a') + '--b--', ['content-type', form])],
      ['two models in a form', post('/v1/audio/transcriptions', part('model', 'a') + part('file', big) + part('model', 'secret') + part('file', big) + '--b--', ['content-type', form])],
      ['a model in the middle of a long form', post('/v1/audio/transcriptions', part('file', big) + part('model', 'a') + part('file', big) + '--b--', ['content-type', form])],
      ['no model in a form', post('/v1/audio/transcriptions', part('file', 'x') + '--b--', ['content-type', form])],
      ['in chunks', { ...post('/v1/chat/completions', '{"model":"a","model":"secret"}'), chunked: 3 }]
    ]
    for (const [name, request] of cases) t.match(await ask(request), { status: 403, code: 'model_not_allowed', reached: false }, name)
    t.match(await ask({ ...post('/v1/chat/completions', '{"model":"a"}'), chunked: 3 }), { status: 200, reached: true })
  })

  await t.test('gets nothing by paths where no model decides', async t => {
    const body = '{"model":"a","lora_name":"x","lora_path":"/"}'
    for (const [method, path] of [
      ['POST', '/v1/load_lora_adapter'], ['POST', '/v1/unload_lora_adapter'], ['POST', '/generate'], ['POST', '/reset_prefix_cache'], ['POST', '/sleep'], ['POST', '/some/path'], ['GET', '/some/path'],
      ['GET', '/v1/responses/resp_1'], ['DELETE', '/v1/responses/resp_1'], ['POST', '/v1/responses/resp_1/cancel'], ['GET', '/v1/chat/completions'], ['PUT', '/v1/chat/completions'], ['GET', '/tokenize'],
      ['POST', '/v1/chat/completions/'], ['POST', '/v1/%63hat/completions'],
      ['GET', '/metrics'], ['GET', '/version'],
      // the router's own: who may change the fleet could send others' requests to a worker of his
      ['GET', '/workers'], ['POST', '/workers'], ['GET', '/list_workers'], ['POST', '/add_worker?url=http://127.0.0.1:9'], ['POST', '/remove_worker?url=' + worker.url], ['POST', '/flush_cache'], ['GET', '/decisions'], ['POST', '/finish_session?session_id=a'],
      ['GET', '/get_loads'], ['GET', '/get_server_info'], ['GET', '/get_model_info'], ['GET', '/health_generate'], ['GET', '/router/openapi.json'], ['PATCH', '/workers']
    ] as const) {
      const reply = await ask({ method, path, ...(method === 'GET' ? {} : { body, headers: [json] }) })
      t.match(reply, { status: 403, code: 'not_allowed', reached: false }, `${method} ${path}`)
      t.match(reply.body, /"type":"permission_error"/)
    }
    // what can be read in more than one way is nobody's
    for (const path of ['//v1/chat/completions', '/v1/chat%2fcompletions', '/v1/responses/../load_lora_adapter', '/v1/chat/completions/../../sleep']) {
      t.match(await ask({ method: 'POST', path, body, headers: [json] }), { status: 400, reached: false }, path)
    }
    t.match(await ask(post('/v1/chat/completions', body, json, ['content-type', 'multipart/form-data; boundary=b'])), { status: 400, reached: false }, 'two types')
    t.equal(router.workers.list().length, 1)
  })

  await t.test('sees only his models', async t => {
    const list = async (me: readonly [string, string]): Promise<string[]> => (JSON.parse((await ask({ method: 'GET', path: '/v1/models' }, me)).body) as { data: Array<{ id: string }> }).data.map(({ id }) => id)
    t.same(await list(limited), ['a', 'b'])
    t.same(await list(['x-me', 'all']), ['a', 'b', 'secret'])
    t.same(await list(['x-me', 'star']), ['a', 'b', 'secret'])
    t.match(await ask({ method: 'GET', path: '/v1/models/a' }), { status: 200, reached: false })
    for (const id of ['secret', 'none', 'a/b', '']) t.match(await ask({ method: 'GET', path: `/v1/models/${id}` }), { status: 404, code: 'model_not_found', reached: false }, id)
    t.match(await ask({ method: 'GET', path: '/health' }), { status: 200 })
  })

  await t.test('others are not limited', async t => {
    for (const me of [['x-me', 'all'], ['x-me', 'star']] as const) {
      t.match(await ask(post('/v1/chat/completions', '{"model":"secret"}'), me), { status: 200, reached: true })
      t.match(await ask(post('/v1/chat/completions', '{}'), me), { status: 200, reached: true })
      t.match(await ask(post('/v1/load_lora_adapter', '{}'), me), { status: 200, reached: true })
      t.match(await ask({ method: 'GET', path: '/workers' }, me), { status: 200 })
    }
  })
})

t.test('a worker that takes its own model for one it does not know gets nothing', async t => {
  const [mine, other] = [await startRawWorker(t), await startRawWorker(t)]
  mine.models = ['a']
  other.models = ['secret']
  other.answer = (_request, response) => { response.setHeader('content-type', 'application/json').end('{"id":"resp_of_the_other"}') }
  const { port, router } = await startRouter(t, {
    workerUrls: [mine.url, other.url],
    healthCheckIntervalSecs: 0.05,
    healthFailureThreshold: 1,
    retryInitialBackoffMs: 1,
    panicMode: true,
    authenticate: ({ headers }) => headers['x-me'] === 'limited' ? { name: 'l', models: ['a', 'none'] } : { name: 'all' }
  })
  const ask = async (path: string, body: object, ...headers: Array<readonly [string, string]>): Promise<[number, string | undefined]> => {
    const reply = await send(port, { path, body: JSON.stringify(body), headers: [json, ...headers] })
    return [reply.status, (JSON.parse(reply.body.toString()) as { error?: { code: string } }).error?.code]
  }
  t.same(await ask('/v1/embeddings', { model: 'a' }, limited), [200, undefined])
  t.same(await ask('/v1/embeddings', { model: 'none' }, limited), [404, 'model_not_found'], 'nobody serves it')
  t.same(await ask('/v1/embeddings', { model: 'none' }), [200, undefined], 'others may ask any worker')
  t.same(await ask('/v1/responses', { model: 'secret' }), [200, undefined])
  other.requests.length = 0
  t.same(await ask('/v1/responses', { model: 'a', previous_response_id: 'resp_of_the_other' }, limited), [404, 'model_not_found'], 'not to the worker that made it')

  mine.answer = (_request, _response, socket) => { socket.destroy() }
  t.match(await ask('/v1/embeddings', { model: 'a' }, limited), [502])
  await mine.close()
  t.match(await ask('/v1/embeddings', { model: 'a' }, limited), [/50[23]/])
  await until('it is out', () => router.workers.list()[0]?.state === 'unhealthy')
  t.match(await ask('/v1/embeddings', { model: 'a' }, limited), [503, 'no_available_workers'])
  t.equal(other.requests.length, 0)
})
