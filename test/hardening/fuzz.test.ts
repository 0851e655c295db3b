// Chance makes the requests and the answers: whatever comes, every answer is whole, nothing is lost or changed on the way, no error is the router's own fault, and it lives.
// FUZZ_RUNS says how many of each kind (default 100), FUZZ_SEED from which number chance begins (default 1).
import fc from 'fast-check'
import t from 'tap'
import type { Test } from 'tap'
import { Conversation } from '../helpers/conversation.ts'
import type { RawAnswer } from '../helpers/raw-client.ts'
import { bytes as rawAnswer, startRawWorker } from '../helpers/raw-worker.ts'
import type { Recorded } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

const numRuns = Number(process.env['FUZZ_RUNS'] ?? 100)
const seed = Number(process.env['FUZZ_SEED'] ?? 1)
const settings = { numRuns, seed, interruptAfterTimeLimit: Math.max(60_000, numRuns * 100), markInterruptAsFailure: true }
t.setTimeout(Math.max(180_000, numRuns * 1000))
t.comment(`FUZZ_SEED=${seed} FUZZ_RUNS=${numRuns}`)

type Pair = readonly [name: string, value: string]

const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,24}$/)
/** Of the connection, made anew on the way, or such as may stand in a request once only. */
const special = /^(?:host|connection|proxy-connection|keep-alive|proxy-auth.*|te|trailers?|transfer-encoding|upgrade|http2-settings|expect|content-length|content-type|authorization|x-request-id|x-vllm-router-explain)$/i
const name = fc.oneof(token, fc.constantFrom('Accept', 'Cookie', 'User-Agent', 'X-Session-Id', 'X-Data-Parallel-Rank', 'X-Forwarded-For', 'Content-Encoding', '__proto__', 'constructor', 'valueOf'))
  .filter(name => !special.test(name))
const byte = fc.oneof(fc.integer({ min: 0x20, max: 0x7e }), fc.integer({ min: 0x80, max: 0xff }), fc.constant(9))
// tabs and spaces at the ends belong to the line, not to the value
const value = fc.array(byte, { maxLength: 60 }).map(codes => String.fromCharCode(...codes).replace(/^[\t ]+|[\t ]+$/g, ''))
const headers: fc.Arbitrary<Pair[]> = fc.array(fc.tuple(name, value), { maxLength: 12 })
const once: fc.Arbitrary<Pair[]> = fc.subarray<Pair>([['Content-Type', 'application/json'], ['Authorization', 'Bearer a'], ['CONTENT-TYPE', 'text/plain; a="\xe9"']], { maxLength: 1 })
const path = fc.oneof(
  fc.constantFrom('/v1/completions', '/v1/chat/completions', '/v1/responses', '/v1/responses/resp_1', '/tokenize', '/v1/audio/transcriptions', '/v1/models/a'),
  fc.array(fc.stringMatching(/^[\w~!$&'()*+,;=:@-]{1,10}$/), { minLength: 1, maxLength: 4 }).map(parts => '/f/' + parts.join('/'))
)
const query = fc.oneof(fc.constant(''), fc.stringMatching(/^[\w~!$&'()*+,;=:@%?/.[\]-]{0,40}$/).map(text => '?' + text))
const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 200 }), fc.string({ unit: 'binary', maxLength: 50 }), fc.lorem())
const json = fc.oneof(
  fc.json(),
  fc.record({ model: fc.oneof(text, fc.integer(), fc.constant(null)), stream: fc.oneof(fc.boolean(), text), messages: fc.anything(), prompt: text, user: fc.anything(), previous_response_id: text }, { requiredKeys: [] })
    .map(fields => JSON.stringify(fields) ?? '')
)
const body = fc.oneof(
  json.map(text => Buffer.from(text)),
  json.chain(text => fc.nat(text.length).map(at => Buffer.from(text.slice(0, at)))),
  fc.uint8Array({ maxLength: 3000 }).map(array => Buffer.from(array))
)
/** How the body is framed: undefined by its length, else in chunks of so many bytes. */
const framing = fc.option(fc.integer({ min: 1, max: 1500 }), { nil: undefined })

function framed (body: Buffer, chunk: number | undefined, trailer: string): [line: string, bytes: Buffer] {
  if (chunk === undefined) return [`Content-Length: ${body.length}`, body]
  const parts: Buffer[] = []
  for (let at = 0; at < body.length; at += chunk) {
    const piece = body.subarray(at, at + chunk)
    parts.push(Buffer.from(piece.length.toString(16) + '\r\n'), piece, Buffer.from('\r\n'))
  }
  return ['Transfer-Encoding: chunked', Buffer.concat([...parts, Buffer.from(`0\r\n${trailer}\r\n`)])]
}

function codeOf (answer: RawAnswer): string | undefined {
  try {
    const { error } = JSON.parse(answer.body.toString()) as { error?: { code?: unknown } }
    return typeof error?.code === 'string' ? error.code : undefined
  } catch {
    return undefined
  }
}

/** Without halves of characters, which no URL and no UTF-8 has. */
function wellFormed (text: string): string {
  return Buffer.from(text).toString()
}

/** Bytes that may be JSON in UTF-16 or UTF-32, which the router does not let pass. */
function mayBeWide (body: Buffer): boolean {
  return body[0] === 0 || body[1] === 0 || (body[0] ?? 0) + (body[1] ?? 0) === 0x1fd
}

function pairs (flat: readonly string[]): string[] {
  return flat.flatMap((name, at) => at % 2 === 0 && !special.test(name) ? [`${name}: ${flat[at + 1]}`] : [])
}

/** Sends bytes, in pieces if asked to, and takes the answer. */
async function ask (port: number, bytes: Buffer, cuts: readonly number[] = [], ends = false): Promise<{ answer: RawAnswer | undefined, client: Conversation }> {
  const client = new Conversation(port)
  let from = 0
  for (const cut of [...cuts].sort((one, other) => one - other)) {
    const at = Math.min(cut, bytes.length)
    client.say(bytes.subarray(from, at))
    from = at
    await new Promise(resolve => setImmediate(resolve))
  }
  client.say(bytes.subarray(from))
  if (ends) client.end()
  return { answer: await client.answer(JSON.stringify(bytes.toString('latin1')).slice(0, 300)), client }
}

async function alive (port: number): Promise<void> {
  const { answer, client } = await ask(port, Buffer.from('GET /alive HTTP/1.1\r\nHost: a\r\n\r\n'))
  client.leave()
  if (answer?.status !== 200) throw new Error(`no longer alive: ${answer?.status}`)
}

function fail (what: string, ...more: unknown[]): never {
  throw new Error(`${what}: ${JSON.stringify(more)}`)
}

async function holds (t: Test, name: string, property: fc.IAsyncProperty<never> | fc.IAsyncProperty<unknown[]>): Promise<void> {
  // fast-check's own message tells the case, the seed and the way to it
  await fc.assert(property as fc.IAsyncProperty<unknown[]>, settings)
  t.pass(`${numRuns} ${name}`)
}

t.test('requests as they should be', async t => {
  const worker = await startRawWorker(t, (_request, response) => { response.end('fine') })
  const { port } = await startRouter(t, { workerUrls: [worker.url], policy: 'consistent_hash' })
  await holds(t, 'requests arrived as they left', fc.asyncProperty(
    fc.constantFrom('POST', 'PUT', 'PATCH'), path, query, headers, once, body, framing, fc.array(fc.nat(600), { maxLength: 4 }),
    async (method, path, query, headers, once, body, chunk, cuts) => {
      worker.requests.length = 0
      const [line, content] = framed(body, chunk, 'X-Trailer: a\r\n')
      const sent = [...headers, ...once]
      const head = [`${method} ${path}${query} HTTP/1.1`, 'Host: a', line, ...sent.map(([name, value]) => `${name}: ${value}`), '', ''].join('\r\n')
      const { answer, client } = await ask(port, Buffer.concat([Buffer.from(head, 'latin1'), content]), cuts)
      client.leave()
      if (answer?.status === 400 && codeOf(answer) === 'kv_transfer_params_refused' && mayBeWide(body)) return
      // not every method of a path the router knows is the worker's
      if (answer?.status === 405 && method !== 'POST') return
      if (answer?.status !== 200 || answer.body.toString() !== 'fine') fail('not the worker\'s answer', answer?.status, answer?.body.toString())
      const [seen, more] = worker.requests as [Recorded?, Recorded?]
      if (seen === undefined || more !== undefined) fail('requests', worker.requests.length)
      if (seen.method !== method || seen.url !== path + query) fail('target', seen.method, seen.url)
      if (!seen.body.equals(body)) fail('body', seen.body.toString('latin1'))
      const before = sent.filter(([name]) => !special.test(name)).map(([name, value]) => `${name}: ${value}`)
      if (JSON.stringify(pairs(seen.rawHeaders)) !== JSON.stringify(before)) fail('headers', pairs(seen.rawHeaders))
      for (const [name, value] of once) if (!seen.rawHeaders.some((other, at) => other === name && seen.rawHeaders[at + 1] === value)) fail('lost', name)
    }
  ))
  t.same(worker.malformed, [])
  await alive(port)
})

t.test('requests as they should not be', async t => {
  const worker = await startRawWorker(t, (_request, response) => { response.end('fine') })
  const { port } = await startRouter(t, { workerUrls: [worker.url], clientBodyIdleTimeoutSecs: 5 })
  const odd = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom('\r\n', '\n', '\r', '\0', '\t', ' ', ':', ',', ';', '\x7f', '\xff', '0', '-1', '+', '"', '\\', '/', '..', '%', '%2e', '%00', '#', '?', '*', '//') },
    { weight: 3, arbitrary: fc.constantFrom('Content-Length: 3\r\n', 'Content-Length: 0\r\n', 'Transfer-Encoding: chunked\r\n', 'Transfer-Encoding: gzip\r\n', 'Host: b\r\n', 'Connection: content-length, host\r\n', 'Expect: 100-continue\r\n', 'Upgrade: h2c\r\n', ' folded\r\n', '0\r\n\r\n', 'GET / HTTP/1.1\r\n\r\n') },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }).map(text => Buffer.from(text).toString('latin1')) }
  )
  await holds(t, 'requests were refused, or had one meaning', fc.asyncProperty(
    path, query, headers, body, framing, fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), odd), { minLength: 1, maxLength: 4 }), fc.boolean(),
    async (path, query, headers, body, chunk, insertions, inHead) => {
      worker.requests.length = 0
      const [line, content] = framed(body, chunk, '')
      const head = [`POST ${path}${query} HTTP/1.1`, 'Host: a', line, ...headers.map(([name, value]) => `${name}: ${value}`), '', ''].join('\r\n')
      let bytes = head + content.toString('latin1')
      for (const [place, piece] of insertions) {
        const at = Math.floor(place * (inHead ? head.length : bytes.length))
        bytes = bytes.slice(0, at) + piece + bytes.slice(at)
      }
      // the client ends its side: what is still missing will not come
      const { answer, client } = await ask(port, Buffer.from(bytes, 'latin1'), [], true)
      client.leave()
      if (answer !== undefined && answer.status >= 500 && codeOf(answer) !== undefined) fail('the router\'s own fault', answer.status, answer.body.toString())
      if (answer !== undefined && answer.status !== 200 && (answer.status < 400 || answer.status > 499)) fail('neither refused nor served', answer.status)
      await alive(port)
      for (const seen of worker.requests) {
        if (seen.headers['transfer-encoding'] !== undefined || (seen.body.length > 0 && seen.headers['content-length'] !== String(seen.body.length))) fail('framing', seen.rawHeaders)
      }
    }
  ))
  t.same(worker.malformed, [], 'and what the worker got was HTTP')
})

t.test('anything for the router\'s own routes', async t => {
  const { port, app } = await startRouter(t)
  await holds(t, 'questions were answered', fc.asyncProperty(
    fc.constantFrom('GET', 'POST', 'DELETE', 'PUT', 'OPTIONS', 'HEAD'),
    fc.constantFrom('/workers', '/add_worker', '/remove_worker', '/get_loads', '/flush_cache', '/decisions', '/finish_session?session_id=a', '/list_workers', '/get_server_info', '/health', '/readiness', '/v1/models', '/router/openapi.json'),
    fc.oneof(fc.constant(''), text.map(text => '/' + encodeURIComponent(wellFormed(text)))), fc.dictionary(fc.constantFrom('url', 'drain', '__proto__', 'a'), text), fc.oneof(json, fc.json({ maxDepth: 50 }), text),
    fc.constantFrom('application/json', 'text/plain', 'application/x-www-form-urlencoded', 'a/b; charset=utf-16', ''),
    async (method, url, more, query, payload, type) => {
      const parameters = Object.entries(query).map(([name, value]) => `${name}=${encodeURIComponent(wellFormed(value))}`).join('&')
      const request = { method, url: `${url}${more}?${parameters}` as const, headers: type === '' ? {} : { 'content-type': type } }
      const response = await app.inject(method === 'GET' || method === 'HEAD' ? { ...request, method } : { ...request, method: method as 'POST', payload: wellFormed(payload) })
      // without a worker these say so; an answer to HEAD has no words
      const { status, error } = response.statusCode < 500 || response.body === '' ? {} : response.json<{ status?: string, error?: { code: string } }>()
      const nobody = response.statusCode === 503 && (method === 'HEAD' || status === 'not_ready' || error?.code === 'no_available_workers')
      if (response.statusCode >= 500 && !nobody) fail('the router\'s own fault', response.statusCode, response.body)
      if (response.statusCode < 200) fail('status', response.statusCode)
    }
  ))
  t.equal((await fetch(`http://127.0.0.1:${port}/liveness`)).status, 200)
})

t.test('anything from a worker', async t => {
  const worker = await startRawWorker(t)
  const { port, router } = await startRouter(t, { workerUrls: [worker.url], disableRetries: true, disableCircuitBreaker: true, disableOutlierDetection: true, healthCheckIntervalSecs: 3600 })
  const line = fc.oneof(
    fc.tuple(name, value).map(([name, value]) => `${name}: ${value}`),
    fc.constantFrom('Content-Length: 3', 'Content-Length: 0', 'Content-Length: -1', 'Content-Length: 99999999999999999999', 'Transfer-Encoding: chunked', 'Transfer-Encoding: gzip, chunked', 'Content-Type: text/event-stream', 'Content-Type: application/json',
      'Connection: content-length', 'Connection: close', 'Upgrade: websocket', 'Content-Encoding: gzip', 'Retry-After: 1e9', 'Retry-After: -1', 'Location: http://a', 'X-Request-Id: a', '__proto__: a', 'constructor: b', ' folded', 'no colon', 'a\0: b')
  )
  const start = fc.oneof({ weight: 5, arbitrary: fc.constant('HTTP/1.1 200 OK') }, { weight: 1, arbitrary: fc.tuple(fc.integer({ min: 0, max: 1100 }), value).map(([status, words]) => `HTTP/1.1 ${status} ${words}`) },
    { weight: 1, arbitrary: fc.constantFrom('HTTP/1.0 200', 'HTTP/1.1 204 None', 'HTTP/1.1 304 Same', 'HTTP/1.1 103 Early', 'HTTP/1.1 101 Switch', 'HTTP/0.9 200 OK', 'babble') })
  await holds(t, 'answers were passed on, or were an error', fc.asyncProperty(
    fc.constantFrom('/v1/completions', '/v1/responses', '/tokenize', '/other'), fc.constantFrom('POST', 'GET'), start, fc.array(line, { maxLength: 6 }), body, framing,
    async (path, method, start, lines, body, chunk) => {
      const [framingLine, content] = framed(body, chunk, 'X-Trailer: a\r\n')
      worker.answer = rawAnswer(Buffer.concat([Buffer.from([start, ...lines, framingLine, '', ''].join('\r\n'), 'latin1'), content]))
      // the answer is whole, or the connection is cut: nobody takes it for another
      const client = new Conversation(port)
      client.say(`${method} ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}`)
      const answer = await client.answer(`${method} ${path}`)
      if (answer !== undefined && answer.status >= 500 && answer.status !== 502 && !start.includes(String(answer.status))) fail('the router\'s own fault', answer.status, answer.body.toString())
      client.leave()
      worker.answer = (_request, response) => { response.end('fine') }
      await alive(port)
    }
  ))
  await until('nothing is left', () => router.workers.list()[0]?.inFlight === 0)
})
