// What a worker refuses, and in which words.
import t from 'tap'
import { at, chat, post, words, worker } from './worker.ts'

t.test('bodies', async t => {
  const { url } = await worker(t, { maxModelLen: 1000 })
  const send = (body: string, type = 'application/json'): Promise<Response> => fetch(`${url}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': type }, body })
  const cases: [string, Response, number, object][] = [
    ['invalid JSON', await send('{"messages": [}'), 400, { type: 'Bad Request', param: /^body\.\d+$/, message: /^1 validation error:\n {2}\{'type': 'json_invalid'/ }],
    ['empty body', await send(''), 400, { type: 'Bad Request', param: 'body.0' }],
    ['no object', await send('[]'), 400, { type: 'Bad Request', param: 'body' }],
    ['missing field', await send('{}'), 400, { type: 'Bad Request', param: 'body.messages' }],
    ['ill-typed field', await send('{"messages":"x"}'), 400, { type: 'Bad Request', param: 'body.messages' }],
    ['content type', await send('{}', 'text/plain'), 400, { message: /Unsupported Media Type/ }],
    ['unknown model', await send('{"model":"nope","messages":[]}'), 404, { type: 'NotFoundError', param: 'model', message: 'The model `nope` does not exist. Valid aliases: simulated.' }],
    ['no tokens', await post(`${url}/v1/chat/completions`, chat('Hi', { max_tokens: 0 })), 400, { type: 'BadRequestError', param: 'max_tokens' }],
    ['too many tokens', await post(`${url}/v1/chat/completions`, chat('Hi', { max_tokens: 1000 })), 400, { type: 'BadRequestError' }],
    ['bad stream', await post(`${url}/v1/chat/completions`, { stream: true, model: 'nope', messages: [] }), 404, { type: 'NotFoundError' }]
  ]
  for (const [what, response, status, error] of cases) {
    t.equal(response.status, status, what)
    t.match(response.headers.get('content-type'), /^application\/json/, what)
    t.match(at(await response.json(), 'error'), { ...error, code: status }, what)
  }
})

t.test('paths and methods', async t => {
  const { url } = await worker(t)
  const unknown = await fetch(`${url}/nothing`)
  t.equal(unknown.status, 404)
  t.same(await unknown.json(), { detail: 'Not Found' })
  const wrong = await fetch(`${url}/v1/chat/completions?x=1`)
  t.equal(wrong.status, 405)
  t.same(await wrong.json(), { detail: 'Method Not Allowed' })
})

t.test('behind a prefix', async t => {
  const { url, app } = await worker(t, { prefix: '/w1', apiKey: 'secret' })
  t.match(url, /\/w1$/)
  t.equal((await fetch(`${url}/health`)).status, 200)
  t.equal((await fetch(`${url}/v1/models`)).status, 401)
  t.equal((await post(`${url}/health`, {})).status, 405)
  t.equal((await fetch(url.replace('/w1', '/health'))).status, 404)
  t.match(app.simulator.requests.map(request => request.url), ['/w1/health', '/w1/v1/models', '/w1/health'])
  t.equal((await (await fetch(`${url}/_simulator/requests`)).json() as unknown[]).length, 3)
})

t.test('long prompts are cut, or refused on demand', async t => {
  const cut = await worker(t, { maxModelLen: 1000 })
  const answer: unknown = await (await post(`${cut.url}/v1/completions`, { prompt: words(2000) })).json()
  t.equal(at(answer, 'usage.total_tokens'), 1000)
  const refuse = await worker(t, { maxModelLen: 1000, longPrompts: 'refuse' })
  const refused = await post(`${refuse.url}/v1/completions`, { prompt: words(2000) })
  t.equal(refused.status, 400)
  t.match(at(await refused.json(), 'error'), { type: 'BadRequestError', message: /maximum context length is 1000 tokens/ })
})

t.test('the API key', async t => {
  const { url } = await worker(t, { apiKey: 'secret' })
  for (const authorization of ['Bearer wrong', 'secret', '']) {
    const response = await post(`${url}/v1/chat/completions`, chat('Hi'), { authorization })
    t.equal(response.status, 401)
    t.same(await response.json(), { error: 'Unauthorized' })
  }
  t.equal((await post(`${url}/v1/chat/completions`, chat('Hi'), { authorization: 'Bearer secret' })).status, 200)
  t.equal((await fetch(`${url}/health`)).status, 200, 'only /v1 is guarded')
})
