// Every answer over a real socket: told as the model has it, and, where undici is of the same mind, as undici tells it.
import t from 'tap'
import { createAgent } from '../../../core/dispatcher.ts'
import { clientError, failureKind } from '../../../core/failure.ts'
import { rawWorker } from '../wire.ts'
import { cases } from './answers.ts'
import { ask, startAgent } from './asking.ts'

t.test('answers', async t => {
  let bytes = ''
  const worker = await rawWorker(t, socket => {
    socket.write(bytes, 'latin1')
    // whoever waits for more learns that none comes
    setTimeout(() => { socket.end() }, 20)
  })
  // connections that end belong to the case that ended them
  const agent = startAgent(t, { idleTimeoutMs: 0 })
  const undici = createAgent({ idleTimeoutMs: 0 })
  t.teardown(() => undici.destroy())
  for (const one of cases) {
    const { name, method = 'GET', status = 200, message, headers, body = '', trailers = [], fails, unlikeUndici } = one
    bytes = one.bytes
    const asked = ask(agent, worker.port, { method })
    await asked.over
    t.equal(asked.body, body, name)
    t.equal(asked.error?.code, fails, name)
    t.same(asked.trailers, trailers, name)
    if (fails === undefined) t.equal(asked.status, status, name)
    if (message !== undefined) t.equal(asked.message, message, name)
    if (headers !== undefined) t.same(asked.headers, headers, name)
    t.equal(asked.told.at(-1), fails === undefined ? 'end' : 'error', name)
    // what is wrong with a coding is not for undici to find
    if (unlikeUndici !== undefined || fails === 'WORKER_FRAMING') continue
    const other = ask(undici, worker.port, { method })
    await other.over
    t.equal(other.body, asked.body, `${name}: as undici`)
    t.equal(other.error === undefined, asked.error === undefined, `${name}: as undici`)
    if (fails === undefined) t.same([other.status, other.message, other.map], [asked.status, asked.message, asked.map], `${name}: as undici`)
    else t.equal(clientError(other.error, false).message, clientError(asked.error, false).message, `${name}: as undici`)
  }
})

t.test('answers that break off', async t => {
  const partial: ReadonlyArray<readonly [string, string, string]> = [
    ['nothing', '', ''],
    ['within the status line', 'HTTP/1.1 2', ''],
    ['within the head', 'HTTP/1.1 200 OK\r\nX-A: 1\r\n', ''],
    ['after an interim answer', 'HTTP/1.1 103 Early Hints\r\n\r\n', ''],
    ['before the body', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', ''],
    ['within the body', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel', 'hel'],
    ['within the body of a connection that closes', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhel', 'hel'],
    ['before the first chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', ''],
    ['within a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel', 'hel'],
    ['between chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n', 'hel'],
    ['within the last chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n0\r\n', 'hel'],
    ['within the trailers', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n0\r\nX-A: 1\r\n', 'hel']
  ]
  for (const way of ['end', 'reset'] as const) {
    let bytes = ''
    const worker = await rawWorker(t, socket => {
      socket.write(bytes)
      // what was written is to be read before a reset
      setTimeout(() => { way === 'end' ? socket.end() : socket.resetAndDestroy() }, 20)
    })
    const agent = startAgent(t)
    for (const [name, text, body] of partial) {
      bytes = text
      const asked = ask(agent, worker.port)
      await asked.over
      t.equal(asked.body, body, `${name} (${way})`)
      t.equal(asked.error?.code, way === 'end' ? 'UND_ERR_SOCKET' : 'ECONNRESET', `${name} (${way})`)
      t.equal(failureKind(asked.error), 'reset')
    }
  }
})

t.test('until the end of the connection: a reset is none', async t => {
  const worker = await rawWorker(t, socket => {
    socket.write('HTTP/1.1 200 OK\r\n\r\nhel')
    setTimeout(() => { socket.resetAndDestroy() }, 20)
  })
  const asked = ask(startAgent(t), worker.port)
  await asked.over
  t.same([asked.body, asked.error?.code], ['hel', 'ECONNRESET'])
})

t.test('several chunks that came at once are one piece, and its bytes stay what they are', async t => {
  const chunk = 'data: a token of a few bytes\n\n'
  const framed = `${chunk.length.toString(16)}\r\n${chunk}\r\n`
  const worker = await rawWorker(t, (socket, request) => {
    const many = request.startsWith('GET /many')
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n' + framed.repeat(many ? 100 : 1) + '0\r\n\r\n')
  })
  const agent = startAgent(t)
  const many = ask(agent, worker.port, { path: '/many' })
  await many.over
  t.equal(many.body, chunk.repeat(100))
  t.ok(many.pieces.length < 5, `${many.pieces.length} pieces`)
  await Promise.all(Array.from({ length: 20 }, () => ask(agent, worker.port).over))
  t.equal(many.body, chunk.repeat(100), 'what else was read did not touch it')
})
