// Which connections are used again, for how long, and what becomes of a call on one that is not what it seemed.
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { failureKind, isUnreachable } from '../../../core/failure.ts'
import { until } from '../../helpers/until.ts'
import { deadPort, rawWorker } from '../wire.ts'
import { ask, startAgent } from './asking.ts'

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** How many connections two requests, one after the other, take. */
async function connectionsFor (t: Test, answer: string, options = {}, method = 'GET', body: Buffer | null = null): Promise<number> {
  const worker = await rawWorker(t, (socket, request) => {
    // the rest of the body is in another request's way
    if (!request.startsWith('ok')) socket.write(answer)
  })
  const agent = startAgent(t, options)
  for (let i = 0; i < 2; i++) {
    const asked = ask(agent, worker.port, { method, body })
    await asked.over
    t.equal(asked.error, undefined)
    // a connection that ends has ended before the next request
    await new Promise(resolve => { setTimeout(resolve, 15) })
  }
  return worker.sockets.length
}

for (const [name, answer, connections, method = 'GET', body = null] of [
  ['a length', ok, 1],
  ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 1],
  ['no body', 'HTTP/1.1 204 No Content\r\n\r\n', 1],
  ['not modified', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n', 1],
  ['a request with a body', ok, 1, 'POST', Buffer.from('{}')],
  ['Connection: close', 'HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 2\r\n\r\nok', 2],
  ['close among other options', 'HTTP/1.1 200 OK\r\nConnection: x, close\r\nContent-Length: 2\r\n\r\nok', 2],
  ['close in a second header', 'HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok', 2],
  ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok', 2],
  ['HTTP/1.0 that keeps alive', 'HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok', 1],
  ['HTTP/1.0 that keeps alive, in chunks', 'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 2],
  ['a worker that keeps them for long', 'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=60, max=100\r\nContent-Length: 2\r\n\r\nok', 1],
  ['a worker that hardly keeps them', 'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=2\r\nContent-Length: 2\r\n\r\nok', 2],
  ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n', 2, 'HEAD'],
  ['a GET with a body', ok, 2, 'GET', Buffer.from('{}')],
  ['bytes behind the answer', `${ok}HTTP/1.1 200 OK\r\n`, 2]
] as ReadonlyArray<readonly [string, string, number, string?, (Buffer | null)?]>) {
  t.test(name, async t => {
    t.equal(await connectionsFor(t, answer, {}, method, body), connections)
  })
}

t.test('none is kept where none shall be, and the worker knows', async t => {
  let request = ''
  const worker = await rawWorker(t, (socket, text) => {
    request = text
    socket.write(ok)
  })
  const agent = startAgent(t, { idleTimeoutMs: 0 })
  for (let i = 0; i < 2; i++) await ask(agent, worker.port).over
  t.equal(worker.sockets.length, 2)
  t.match(request, /\r\nconnection: close\r\n/)
  await until('both end', () => worker.sockets.every(socket => socket.destroyed))
})

t.test('the one that was used last is used first, and the others end', async t => {
  const waiting: Socket[] = []
  const worker = await rawWorker(t, (socket, request) => {
    if (request.startsWith('GET /wait')) waiting.push(socket)
    else socket.write(ok)
  })
  const agent = startAgent(t, { idleTimeoutMs: 1000 })
  const both = [ask(agent, worker.port, { path: '/wait' }), ask(agent, worker.port, { path: '/wait' })]
  await until('both are there', () => waiting.length === 2)
  const [first, second] = waiting
  first?.write(ok)
  await both[waiting[0] === worker.sockets[0] ? 0 : 1]?.over
  second?.write(ok)
  await Promise.all(both.map(one => one.over))
  let asked = 0
  await until('the other one ends meanwhile', async () => {
    await ask(agent, worker.port).over
    asked++
    return first?.destroyed === true
  })
  t.equal(worker.sockets.length, 2)
  t.ok(asked > 1)
  t.equal(second?.destroyed, false)
})

t.test('an idle one ends in time', async t => {
  const worker = await rawWorker(t, socket => { socket.write(ok) })
  const agent = startAgent(t, { idleTimeoutMs: 100 })
  await ask(agent, worker.port).over
  const [socket] = worker.sockets
  const since = performance.now()
  if (socket !== undefined) await once(socket, 'close')
  t.ok(performance.now() - since > 50, 'not at once')
})

t.test('bytes on an idle connection end it, and are nobody\'s answer', async t => {
  const worker = await rawWorker(t, socket => { socket.write(ok) })
  const agent = startAgent(t, { idleTimeoutMs: 10_000 })
  await ask(agent, worker.port).over
  const [socket] = worker.sockets
  socket?.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled')
  if (socket !== undefined) await once(socket, 'close')
  const asked = ask(agent, worker.port)
  await asked.over
  t.same([asked.body, worker.sockets.length], ['ok', 2])
})

t.test('bytes that came with the client\'s next request, before it was sent, are nobody\'s answer', async t => {
  const worker = await rawWorker(t, socket => { socket.write(ok) })
  const agent = startAgent(t, { idleTimeoutMs: 10_000 })
  await ask(agent, worker.port).over
  const [socket] = worker.sockets
  await new Promise(resolve => { socket?.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled', resolve) })
  // this turn of the loop has not looked at the sockets yet
  const asked = await new Promise<ReturnType<typeof ask>>(resolve => { setTimeout(() => { resolve(ask(agent, worker.port)) }, 0) })
  await asked.over
  t.not(asked.body, 'smuggled')
})

t.test('one that the worker closed is not used', async t => {
  const worker = await rawWorker(t, socket => { socket.write(ok) })
  const agent = startAgent(t, { idleTimeoutMs: 10_000 })
  for (const way of ['end', 'resetAndDestroy'] as const) {
    await ask(agent, worker.port).over
    const socket = worker.sockets.at(-1)
    socket?.[way]()
    // it is closed there; the news are on their way
    await new Promise(resolve => { setTimeout(resolve, 30) })
    const asked = ask(agent, worker.port)
    await asked.over
    t.equal(asked.error, undefined)
  }
})

for (const way of ['end', 'destroy', 'resetAndDestroy'] as const) {
  t.test(`one that ends when the next request comes (${way}): an error like any other before the answer`, async t => {
    let requests = 0
    const worker = await rawWorker(t, socket => {
      if (++requests === 1) socket.write(ok)
      else socket[way]()
    })
    const agent = startAgent(t, { idleTimeoutMs: 10_000 })
    await ask(agent, worker.port).over
    const asked = ask(agent, worker.port, { method: 'POST', body: Buffer.from('{}') })
    await asked.over
    t.same(asked.told, ['start', 'error'])
    t.equal(failureKind(asked.error), 'reset')
    t.ok(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'].includes(asked.error?.code ?? ''), String(asked.error))
    t.equal(worker.sockets.length, 1)
  })
}

t.test('an answer before the request was sent in full: it counts, and the connection ends', async t => {
  const worker = await rawWorker(t, () => {})
  const agent = startAgent(t)
  const asked = ask(agent, worker.port, { method: 'POST', body: Buffer.alloc(64 * 1024 * 1024) })
  await until('the worker has the connection', () => worker.sockets.length === 1)
  const [socket] = worker.sockets
  socket?.pause()
  socket?.write('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno')
  await asked.over
  t.same([asked.status, asked.body, asked.error], [413, 'no', undefined])
  socket?.resume()
  await until('it ends', () => socket?.destroyed === true)
})

t.test('as many at the same time as there are requests', async t => {
  const waiting: Socket[] = []
  const worker = await rawWorker(t, socket => { waiting.push(socket) })
  const agent = startAgent(t)
  const all = Array.from({ length: 50 }, () => ask(agent, worker.port))
  await until('all are there', () => waiting.length === 50)
  for (const socket of waiting) socket.write(ok)
  await Promise.all(all.map(one => one.over))
  t.ok(all.every(one => one.body === 'ok'))
  const again = Array.from({ length: 50 }, () => ask(agent, worker.port))
  await until('all are there again', () => waiting.length === 100)
  for (const socket of waiting.slice(50)) socket.write(ok)
  await Promise.all(again.map(one => one.over))
  t.equal(worker.sockets.length, 50)
})

t.test('a name with several addresses', async t => {
  const worker = await rawWorker(t, (socket, request) => { socket.write(request.includes('\r\nhost: localhost:') ? ok : 'HTTP/1.1 400 Bad Request\r\n\r\n') })
  const agent = startAgent(t)
  for (let i = 0; i < 2; i++) {
    const asked = ask(agent, 0, { origin: `http://localhost:${worker.port}` })
    await asked.over
    t.same([asked.error, asked.body], [undefined, 'ok'])
  }
  t.equal(worker.sockets.length, 1)
})

t.test('a worker that speaks before it was asked', async t => {
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const asked = ask(startAgent(t), (server.address() as AddressInfo).port)
  await asked.over
  // TCP cannot tell who spoke first once both have; nobody is left waiting
  t.ok(asked.error !== undefined || asked.body === 'smuggled')
})

t.test('nobody there', async t => {
  const agent = startAgent(t)
  const asked = ask(agent, await deadPort())
  await asked.over
  t.same([asked.told, asked.error?.code, isUnreachable(asked.error)], [['error'], 'ECONNREFUSED', true])
  const unknown = ask(agent, 1, { origin: 'http://worker.invalid:1' })
  await unknown.over
  t.equal(failureKind(unknown.error), 'refused')
})
