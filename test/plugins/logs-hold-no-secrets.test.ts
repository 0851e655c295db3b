// No prompt, answer, query or credential gets into the log, at whatever level and whatever goes wrong.
import t from 'tap'
import { chat, post, sendRaw } from '../helpers/client.ts'
import { startLogging } from '../helpers/log.ts'
import { startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'
import { getAs, startValidator } from '../helpers/validator.ts'

t.test('at trace, with the access log', async t => {
  const workers = await startWorkers(t, 2, { interTokenLatencyMs: 1, apiKey: 'sekret-api-key' })
  const { url, router, text } = await startLogging(t, 'trace', {
    workerUrls: workers.map(worker => worker.url), accessLog: true, apiKey: 'sekret-api-key', maxPayloadSize: 2000
  })
  const authorization = { authorization: 'Bearer sekret-bearer', cookie: 'session=sekret-cookie', 'x-api-key': 'sekret-header' }
  const send = async (path: string, body: unknown): Promise<string> => await (await post(`${url}${path}?key=sekret-query`, body, authorization)).text()
  const prompt = 'sekret-prompt'

  let answers = await (await post(url + '/v1/chat/completions', chat(prompt))).text()
  answers += await (await post(url + '/v1/chat/completions', chat(prompt, { stream: true }))).text()
  t.match(answers, /"usage"/, 'the worker was reached')
  await send('/v1/chat/completions', chat(prompt))
  await send('/v1/embeddings', { model: 'simulated', input: prompt })
  await send('/tokenize', { prompt })
  await send('/some/path', { prompt })
  await send('/v1/chat/completions', chat(prompt.repeat(300)))
  await send('/v1/chat/completions', chat(prompt, { kv_transfer_params: {} }))
  await send('/v1/responses', { model: 'simulated', input: prompt })
  for (const body of ['{"url": "sekret-body', '{"url": "http://user:sekret-password@host:1"}', '"sekret-body"']) {
    await (await fetch(url + '/workers', { method: 'POST', headers: { 'content-type': 'application/json', ...authorization }, body })).text()
  }
  await (await fetch(`${url}/add_worker?url=http://user:sekret-password@host`, { method: 'POST' })).text()
  for (const mode of ['reset', 'reset_stream', 'status'] as const) {
    for (const worker of workers) await worker.app.simulator.failures.set({ mode, count: 3 })
    await (await post(url + '/v1/completions', { model: 'simulated', prompt, stream: true, max_tokens: 20 })).text()
    await (await post(url + '/tokenize', { prompt })).text()
    for (const worker of workers) await worker.app.simulator.failures.clear()
  }
  await Promise.all(workers.map(worker => worker.close()))
  await send('/v1/completions', { model: 'simulated', prompt })
  await send('/tokenize', { prompt })
  const socket = await sendRaw(Number(new URL(url).port), '/v1/completions?key=sekret-query', { prompt })
  await until('all is over', () => router.workers.list().every(worker => worker.inFlight === 0))
  socket.destroy()

  t.match(text(), /"msg":"request"/)
  t.match(text(), /worker chosen/)
  t.same(text().match(/.{0,200}sekret.{0,50}/g), null)
})

t.test('with callers that are asked for', async t => {
  const folder = t.testdir({ 'keys.txt': 'sekret-key name=a\n' })
  const validator = await startValidator(t, (token, response) => { response.writeHead(token.endsWith('good') ? 200 : token.endsWith('bad') ? 401 : 500).end('sekret-answer') })
  const { url, text } = await startLogging(t, 'trace', { apiKeysFile: folder + '/keys.txt', apiKeyValidationUrls: [validator.url + '?key=sekret-query'], accessLog: true, jwtIssuer: 'http://127.0.0.1:9/', jwtAudience: ['a'] })
  for (const token of ['sekret-key', 'sekret-good', 'sekret-bad', 'sekret-error', 'sekret.jw.t', 'sekret sekret']) await getAs(url + '/workers', token)
  await validator.close()
  await getAs(url + '/workers', 'sekret-down')
  await until('all are logged', () => (text().match(/"msg":"request"/g) ?? []).length === 7)
  t.match(text(), /the validation URL http:[^?"]* fails: it answered 500/)
  t.match(text(), /the issuer http:\/\/127.0.0.1:9\/ fails/)
  t.same(text().match(/.{0,200}sekret.{0,50}/g), null)
})
