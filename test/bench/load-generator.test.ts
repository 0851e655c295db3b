// The load generator counts right: requests, events, times; and it notices every answer that is not as it should be.
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { corpusText } from '../../bench/side-by-side/corpus.ts'
import { runLoad, startWorkers } from '../../bench/side-by-side/harness.ts'
import type { LoadResult } from '../../bench/side-by-side/harness.ts'
import { startSimulator } from '../../simulator/index.ts'
import { programs } from './programs.ts'

const found = await programs(t)
const skip = typeof found === 'string' ? found : false
const native = typeof found === 'string' ? { worker: '', load: '' } : found

/** A file of requests. */
function corpus (t: Test, text: string): string {
  const file = join(t.testdir(), 'corpus.jsonl')
  writeFileSync(file, text)
  return file
}

const small = (stream: boolean): string => corpusText({ kind: 'distinct', bytes: 300 }, stream)

t.test('requests and streams, against the fake worker', { skip }, async t => {
  const workers = await startWorkers(native, { events: 7 })
  const port = Number(new URL(workers.urls[0] ?? '').port)
  const json = await runLoad(native, { port, corpus: corpus(t, small(false)), connections: 3, seconds: 10, requests: 200 })
  t.match(json, { requests: 200, failed: 0, events: 0, errors: {}, latency: { count: 200 }, first: null, bytes: 200 * 300 })
  const streams = await runLoad(native, { port, corpus: corpus(t, small(true)), connections: 5, seconds: 10, requests: 50, events: 7 })
  t.match(streams, { requests: 50, failed: 0, events: 50 * 8, first: { count: 50 }, gap: { count: 50 * 7 }, delay: { count: 50 * 7 }, latency: { count: 50 } })
  t.match(await workers.stats(), { answers: 200, streams: 50, events: 400, tokenized: 0, others: 0, bad: 0 })
  t.equal(await workers.close(), 0)
})

t.test('by time, after a warm-up that does not count, and at a rate', { skip }, async t => {
  const workers = await startWorkers(native)
  const port = Number(new URL(workers.urls[0] ?? '').port)
  const file = corpus(t, small(false))
  let begun = 0
  const timed = await runLoad(native, { port, corpus: file, connections: 2, warmup: 0.2, seconds: 0.3 }, () => begun++)
  t.equal(begun, 1)
  t.ok(timed.seconds >= 0.3 && timed.requests > 0 && timed.failed === 0)
  t.equal(timed.latency?.count, timed.requests)
  const { answers } = await workers.stats()
  t.ok(answers > timed.requests, 'the worker had requests of the warm-up too')
  const paced = await runLoad(native, { port, corpus: file, connections: 4, seconds: 1, rate: 100 })
  t.ok(paced.requests > 50 && paced.requests < 160, `${paced.requests} requests at 100 a second`)
  t.equal(await workers.close(), 0)
})

t.test('a pace is seen in the times between events', { skip }, async t => {
  const workers = await startWorkers(native, { events: 10, paceMs: 20 })
  const port = Number(new URL(workers.urls[0] ?? '').port)
  const { gap, latency, failed } = await runLoad(native, { port, corpus: corpus(t, small(true)), connections: 2, seconds: 10, requests: 4, events: 10 })
  t.equal(failed, 0)
  t.equal(gap?.count, 40)
  // a machine that is busy delays some events, and the next ones are that much sooner
  t.ok(gap !== null && gap.mean > 19 * 1000, `mean gap ${gap?.mean} µs`)
  t.ok(latency !== null && latency.p50 > 195 * 1000)
  t.equal(await workers.close(), 0)
})

t.test('against a simulated worker', { skip }, async t => {
  const simulator = await startSimulator({ model: 'bench', interTokenLatencyMs: 0.1, prefillRate: Infinity })
  t.teardown(() => simulator.close())
  const port = Number(new URL(simulator.url).port)
  const request = (stream: boolean): string => JSON.stringify({ model: 'bench', stream, max_tokens: 5, messages: [{ role: 'user', content: '~~~~~~~~~~~~~~~~ hello' }] })
  t.match(await runLoad(native, { port, corpus: corpus(t, request(false)), connections: 2, seconds: 10, requests: 20 }), { requests: 20, failed: 0 })
  const streams = await runLoad(native, { port, corpus: corpus(t, request(true)), connections: 2, seconds: 10, requests: 20 })
  t.match(streams, { requests: 20, failed: 0, delay: null })
  t.equal(streams.events % 20, 0)
  t.ok(streams.events >= 20 * 6, 'five tokens and an end at least')
})

const answerBody = (id: string): string => JSON.stringify({ id, choices: [] })
const withLength = (body: string, announced = body.length): string => `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${announced}\r\n\r\n${body}`
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`
const event = (id: string): string => chunk(`data: ${answerBody(id)}\n\n`)
const streamHead = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n'
const done = chunk('data: [DONE]\n\n')
const last = '0\r\n\r\n'

interface Case {
  readonly name: string
  readonly stream?: boolean
  /** Bytes of the answer. */
  answer (id: string): string
  /** Closes the connection after it. */
  readonly closes?: boolean
  /** Later, the surplus would count as part of the next answer. */
  readonly inOnePiece?: boolean
  /** Undefined: the answer is fine. */
  readonly error?: string
}

const cases: readonly Case[] = [
  { name: 'a length', answer: id => withLength(answerBody(id)) },
  { name: 'chunks', answer: id => `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunk(answerBody(id).slice(0, 5))}${chunk(answerBody(id).slice(5))}${last}` },
  { name: 'chunks with an extension and a trailer', answer: id => `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunk(answerBody(id)).replace('\r\n', ';a=b\r\n')}0\r\nx-trailer: y\r\n\r\n` },
  { name: 'the end of the connection', answer: id => `HTTP/1.0 200 OK\r\n\r\n${answerBody(id)}`, closes: true },
  { name: 'the last on its connection', answer: id => withLength(answerBody(id)).replace('\r\n', '\r\nConnection: close\r\n'), closes: true },
  { name: 'an interim answer before it', answer: id => `HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${withLength(answerBody(id))}` },
  { name: 'a stream', stream: true, answer: id => `${streamHead}${event(id)}${event(id)}${done}${last}` },
  { name: 'a stream with CR LF', stream: true, answer: id => `${streamHead}${chunk(`data: ${answerBody(id)}\r\n\r\ndata: ${answerBody(id)}\r\n\r\n`)}${chunk('data: [DONE]\r\n\r\n')}${last}` },
  { name: 'another status', answer: id => withLength(answerBody(id)).replace('200 OK', '503 Service Unavailable'), error: 'status' },
  { name: 'no JSON', answer: () => withLength('Internal error'), error: 'incomplete' },
  { name: 'JSON that is cut', answer: id => withLength(answerBody(id).slice(0, -1)), error: 'incomplete' },
  { name: 'JSON that is no completion', answer: id => withLength(JSON.stringify({ id })), error: 'incomplete' },
  { name: 'the answer of somebody else', answer: () => withLength(answerBody('0123456789abcdef')), error: 'foreign' },
  { name: 'less than was announced', answer: id => withLength(answerBody(id), 500), closes: true, error: 'closed' },
  { name: 'more than was announced', answer: id => withLength(answerBody(id)) + 'x', inOnePiece: true, error: 'broken' },
  { name: 'nothing', answer: () => '', closes: true, error: 'closed' },
  { name: 'no HTTP', answer: () => 'hello\r\n\r\n', error: 'broken' },
  { name: 'a chunk of no size', answer: id => `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n${answerBody(id)}`, error: 'broken' },
  { name: 'a chunk longer than its size', answer: id => `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n${answerBody(id)}\r\n${last}`, error: 'broken' },
  { name: 'a stream without its end', stream: true, answer: id => `${streamHead}${event(id)}${event(id)}${last}`, error: 'incomplete' },
  { name: 'a stream that ends too soon', stream: true, answer: id => `${streamHead}${event(id)}${done}${last}`, error: 'incomplete' },
  { name: 'a stream that breaks off', stream: true, answer: id => `${streamHead}${event(id)}${event(id)}`, closes: true, error: 'closed' },
  { name: 'an error within a stream', stream: true, answer: id => `${streamHead}${event(id)}${chunk('data: {"error":{}}\n\n')}${done}${last}`, error: 'incomplete' },
  { name: 'a stream of somebody else', stream: true, answer: () => `${streamHead}${event('0123456789abcdef').repeat(2)}${done}${last}`, error: 'foreign' }
]

/** Answers each request as told, at once or a few bytes at a time. */
async function answering (t: Test, one: Case, pieces: number): Promise<number> {
  const serve = async (socket: Socket, body: string): Promise<void> => {
    const id = /"user":"([0-9a-f]{16})"/.exec(body)?.[1] ?? ''
    const bytes = one.answer(id)
    const size = Math.max(1, Math.ceil(bytes.length / pieces))
    for (let at = 0; at < bytes.length; at += size) {
      socket.write(bytes.slice(at, at + size))
      if (pieces > 1) await new Promise(resolve => setImmediate(resolve))
    }
    if (one.closes === true) socket.end()
  }
  const server = createServer({ noDelay: true }, socket => {
    let text = ''
    socket.on('error', () => socket.destroy())
    socket.on('data', data => {
      text += data.toString('latin1')
      if (!text.endsWith('}\n') && !text.endsWith('}')) return
      const body = text
      text = ''
      void serve(socket, body)
    })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

for (const pieces of [1, 1000]) {
  t.test(`answers ${pieces === 1 ? 'in one piece' : 'byte by byte'}`, { skip }, async t => {
    const files = { json: corpus(t, small(false)), stream: '' }
    files.stream = `${files.json}.stream`
    writeFileSync(files.stream, small(true))
    for (const one of cases.filter(({ inOnePiece }) => pieces === 1 || inOnePiece !== true)) {
      const port = await answering(t, one, pieces)
      const result: LoadResult = await runLoad(native, {
        port, corpus: one.stream === true ? files.stream : files.json, connections: 1, seconds: 10, requests: 2, timeout: 5, events: one.stream === true ? 2 : undefined
      })
      t.match(result, one.error === undefined ? { requests: 2, failed: 0, errors: {} } : { requests: 0, failed: 2, errors: { [one.error]: 2 } }, one.name)
    }
  })
}

t.test('an answer that does not come', { skip }, async t => {
  const port = await answering(t, { name: 'none', answer: () => '' }, 1)
  t.match(await runLoad(native, { port, corpus: corpus(t, small(false)), connections: 1, seconds: 10, requests: 1, timeout: 0.2 }), { requests: 0, errors: { timeout: 1 } })
})

t.test('prompts never come twice, turns of a conversation begin alike', { skip }, async t => {
  const bodies: string[] = []
  const server = createServer(socket => {
    let text = ''
    socket.on('error', () => socket.destroy())
    socket.on('data', data => {
      text += data.toString('latin1')
      if (!text.endsWith(']}')) return
      bodies.push(text.slice(text.indexOf('{')))
      socket.write(withLength(answerBody(/"user":"([0-9a-f]{16})"/.exec(text)?.[1] ?? '')))
      text = ''
    })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => server.close())
  const text = corpusText({ kind: 'turns', conversations: 2, turns: 3, systemBytes: 64, turnBytes: 64 }, false)
  const { port } = server.address() as AddressInfo
  t.match(await runLoad(native, { port, corpus: corpus(t, text), connections: 1, seconds: 10, requests: 12 }), { requests: 12, failed: 0 })
  const requests = bodies.map(body => JSON.parse(body) as { user: string, messages: { role: string, content: string }[] })
  t.equal(new Set(requests.map(({ user }) => user)).size, 12, 'each request has an id of its own')
  t.strictSame(requests.map(({ messages }) => messages.length), [2, 4, 6, 2, 4, 6, 2, 4, 6, 2, 4, 6])
  for (let at = 0; at < 12; at += 3) {
    const [first, second, third] = requests.slice(at, at + 3)
    t.strictSame(second?.messages.slice(0, 2), first?.messages, 'the second turn goes on from the first')
    t.strictSame(third?.messages.slice(0, 4), second?.messages, 'the third from the second')
  }
  const openings = [0, 3, 6, 9].map(at => requests[at]?.messages[1]?.content)
  t.equal(new Set(openings).size, 4, 'a conversation that comes again is another one')
  t.equal(requests[0]?.messages[0]?.content, requests[6]?.messages[0]?.content, 'its system prompt is the same')
})
