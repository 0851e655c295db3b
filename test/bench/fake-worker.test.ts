// The fake worker reads requests as a server must, however they come, and answers each as it should.
import t from 'tap'
import { startWorkers } from '../../bench/side-by-side/harness.ts'
import { open, requestBytes, send } from '../helpers/raw-client.ts'
import { until } from '../helpers/until.ts'
import { programs } from './programs.ts'

const found = await programs(t)
const skip = typeof found === 'string' ? found : false
const native = typeof found === 'string' ? { worker: '', load: '' } : found

const path = '/v1/chat/completions'
const chat = (stream: boolean, text = 'hello'): string => JSON.stringify({ model: 'bench', user: 'abcdefghijklmnop', stream, messages: [{ role: 'user', content: text }] })

t.test('requests', { skip }, async t => {
  const workers = await startWorkers(native, { count: 3, events: 3, answerBytes: 400 })
  const ports = workers.urls.map(url => Number(new URL(url).port))
  t.equal(new Set(ports).size, 3)
  const [port = 0] = ports
  for (const one of ports) {
    const answer = await send(one, { path, body: chat(false) })
    t.equal(answer.status, 200)
    t.equal(answer.body.length, 400)
    t.match(JSON.parse(answer.body.toString()), { id: 'chatcmpl-abcdefghijklmnop', choices: [{ message: { role: 'assistant' } }] })
  }
  const long = chat(false, 'x'.repeat(300_000))
  for (const chunked of [1, 7, 4096]) t.equal((await send(port, { path, body: chunked === 1 ? chat(false) : long, chunked })).status, 200, `in chunks of ${chunked}`)
  t.equal((await send(port, { path, body: long })).status, 200)

  const stream = await send(port, { path, body: chat(true) })
  t.ok(stream.complete)
  const events = stream.body.toString().split('\n\n')
  t.equal(events.length, 5, 'three events, [DONE], and nothing after it')
  t.equal(events[3], 'data: [DONE]')
  t.match(events[0], /^data: \{"id":"chatcmpl-abcdefghijklmnop".* t[0-9a-f]{16}"/)

  t.equal((await send(port, { method: 'GET', path: '/health' })).status, 200)
  t.match(JSON.parse((await send(port, { method: 'GET', path: '/v1/models' })).body.toString()), { data: [{ id: 'bench' }] })
  t.match((await send(port, { method: 'GET', path: '/metrics' })).body.toString(), 'vllm:num_requests_running')
  t.equal((await send(port, { path: '/v1/chat/completions/render', body: chat(false) })).status, 404)

  t.equal((await send(port, { path, body: '{"cut":' })).status, 400)
  t.equal((await send(port, { path, headers: [['Content-Length', '3']], body: chat(false) })).status, 400, 'two lengths')
  t.equal((await send(port, { path, headers: [['Content-Length', '3']], body: chat(false), chunked: 5 })).status, 400, 'a length and chunks')
  t.match(await workers.stats(), { bad: 3 })
  t.equal(await workers.close(), 0)
})

t.test('both legs of a split request', { skip }, async t => {
  const workers = await startWorkers(native, { events: 2 })
  const port = Number(new URL(workers.urls[0] ?? '').port)
  const legs = (params: object, stream = false): string => JSON.stringify({ ...JSON.parse(chat(stream, 'x'.repeat(9000))) as object, kv_transfer_params: params })
  const prefilled = await send(port, { path, body: legs({ do_remote_decode: true, do_remote_prefill: false }) })
  const { kv_transfer_params: params } = JSON.parse(prefilled.body.toString()) as { kv_transfer_params: object }
  t.match(params, { do_remote_prefill: true, remote_block_ids: [[1]], remote_request_id: String })
  t.match(JSON.parse((await send(port, { path, body: legs(params) })).body.toString()), { id: 'chatcmpl-abcdefghijklmnop', choices: [{}] })
  t.ok((await send(port, { path, body: legs(params, true) })).complete)
  t.equal((await send(port, { path, body: legs({ ...params, remote_request_id: 'chatcmpl-q' }) })).status, 400, 'blocks that nobody keeps')
  t.match(await workers.stats(), { prefills: 1, decodes: 2, answers: 1, streams: 1, bad: 1 })
  t.equal(await workers.close(), 0)
})

t.test('several requests on a connection, and in one piece', { skip }, async t => {
  const workers = await startWorkers(native, { events: 2 })
  const port = Number(new URL(workers.urls[0] ?? '').port)
  const all = Buffer.concat([
    requestBytes({ path, body: chat(false) }, 'keep-alive'),
    requestBytes({ path, body: chat(true) }, 'keep-alive'),
    requestBytes({ path, body: chat(false), chunked: 9 }, 'keep-alive'),
    requestBytes({ method: 'GET', path: '/health' })
  ])
  const { text, closed } = open(port, all)
  await closed
  t.strictSame(text().match(/HTTP\/1\.1 \d+/g), Array.from({ length: 4 }, () => 'HTTP/1.1 200'))
  t.ok(text().indexOf('[DONE]') > 0 && text().indexOf('[DONE]') < text().lastIndexOf('"chat.completion"'), 'in their order')
  const slow = open(port, Buffer.alloc(0))
  for (const byte of requestBytes({ path, body: chat(false), chunked: 3 })) {
    slow.socket.write(Buffer.from([byte]))
    await new Promise(resolve => setImmediate(resolve))
  }
  await slow.closed
  t.match(slow.text(), /^HTTP\/1\.1 200 OK\r\n/)
  t.equal(await workers.close(), 0)
})

t.test('a grown conversation begins with the tokens it had', { skip }, async t => {
  const workers = await startWorkers(native)
  const port = Number(new URL(workers.urls[0] ?? '').port)
  const tokens = async (...contents: string[]): Promise<number[]> => {
    const body = JSON.stringify({ model: 'bench', messages: contents.map(content => ({ role: 'user', content })) })
    const { count, tokens } = JSON.parse((await send(port, { path: '/tokenize', body })).body.toString()) as { count: number, tokens: number[] }
    t.equal(tokens.length, count)
    return tokens
  }
  const short = await tokens('a'.repeat(400))
  const grown = await tokens('a'.repeat(400), 'more')
  t.ok(short.length >= 100)
  t.strictSame(grown.slice(0, short.length - 2), short.slice(0, -2))
  t.notSame(await tokens('b'.repeat(400)), short)
  t.equal(await workers.close(), 0)
})

t.test('a slow reader holds up nobody else, and gets everything', { skip }, async t => {
  const events = 30_000
  const workers = await startWorkers(native, { events })
  const port = Number(new URL(workers.urls[0] ?? '').port)
  const slow = open(port, requestBytes({ path, body: chat(true) }))
  slow.socket.pause()
  t.equal((await send(port, { path, body: chat(false) })).status, 200)
  t.ok((await workers.stats()).events < events, 'it waits for its reader')
  slow.socket.resume()
  await slow.closed
  t.equal(slow.text().match(/data: \{/g)?.length, events)
  t.match(slow.text().slice(-40), '[DONE]')
  await until('all connections to end', async () => (await workers.stats()).open === 1)
  t.equal(await workers.close(), 0)
})
