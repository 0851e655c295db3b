// Workers that fall silent are given up, soon after their time and not before it; a handler that has had enough for now is not silence.
import type { Socket } from 'node:net'
import t from 'tap'
import { failureKind } from '../../../core/failure.ts'
import { until } from '../../helpers/until.ts'
import { rawWorker } from '../wire.ts'
import { ask, startAgent } from './asking.ts'

const begun = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n'

for (const [name, answer, options, code, told] of [
  ['before the head', '', { headTimeoutMs: 100 }, 'UND_ERR_HEADERS_TIMEOUT', ['start', 'error']],
  ['within the head', 'HTTP/1.1 200', { headTimeoutMs: 100 }, 'UND_ERR_HEADERS_TIMEOUT', ['start', 'error']],
  ['after an interim answer', 'HTTP/1.1 103 Early Hints\r\n\r\n', { headTimeoutMs: 100 }, 'UND_ERR_HEADERS_TIMEOUT', ['start', 'error']],
  ['within the body', begun, { idleBodyTimeoutMs: 100 }, 'UND_ERR_BODY_TIMEOUT', ['start', 'head', 1, 'error']],
  ['before the body', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n', { idleBodyTimeoutMs: 100 }, 'UND_ERR_BODY_TIMEOUT', ['start', 'head', 'error']],
  ['before the end', `${begun}0\r\n`, { idleBodyTimeoutMs: 100 }, 'UND_ERR_BODY_TIMEOUT', ['start', 'head', 1, 'error']]
] as const) {
  t.test(name, async t => {
    const worker = await rawWorker(t, socket => { socket.write(answer) })
    const began = performance.now()
    const asked = ask(startAgent(t, options), worker.port)
    await asked.over
    const took = performance.now() - began
    t.same([asked.told, asked.error?.code, failureKind(asked.error)], [told, code, 'timeout'])
    t.ok(took >= 95 && took < 5000, `${took} ms`)
    await until('the connection ends', () => worker.sockets[0]?.destroyed === true)
  })
}

t.test('limits of a request count in place of the agent\'s', async t => {
  const worker = await rawWorker(t, (socket, request) => { if (request.startsWith('GET /begun')) socket.write(begun) })
  const agent = startAgent(t, { headTimeoutMs: 0, idleBodyTimeoutMs: 0, idleTimeoutMs: 40 })
  const asked = [ask(agent, worker.port, { headersTimeout: 60 }), ask(agent, worker.port, { path: '/begun', bodyTimeout: 60 })]
  await Promise.all(asked.map(one => one.over))
  t.same(asked.map(one => one.error?.code), ['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'])
})

t.test('a worker that speaks now and then is not silent', async t => {
  let upstream: Socket | undefined
  const worker = await rawWorker(t, socket => {
    upstream = socket
    socket.write(begun)
  })
  const asked = ask(startAgent(t, { idleBodyTimeoutMs: 200 }), worker.port)
  for (let i = 0; i < 6; i++) {
    await until('it came', () => asked.pieces.length > i)
    await new Promise(resolve => { setTimeout(resolve, 80) })
    upstream?.write('1\r\nb\r\n')
  }
  t.equal(asked.error, undefined)
  upstream?.write('0\r\n\r\n')
  await asked.over
  t.equal(asked.body, 'abbbbbb')
})

t.test('nor is one whose handler has had enough for now', async t => {
  const worker = await rawWorker(t, socket => { socket.write(begun) })
  const asked = ask(startAgent(t, { idleBodyTimeoutMs: 80 }), worker.port, {}, { data: controller => controller.pause() })
  await until('the body began', () => asked.pieces.length === 1)
  await new Promise(resolve => { setTimeout(resolve, 400) })
  t.equal(asked.error, undefined)
  const since = performance.now()
  asked.controller?.resume()
  await asked.over
  t.equal(asked.error?.code, 'UND_ERR_BODY_TIMEOUT')
  t.ok(performance.now() - since >= 75, 'its time begins anew')
})

t.test('0 is no limit', async t => {
  let upstream: Socket | undefined
  const worker = await rawWorker(t, socket => { upstream = socket })
  const asked = ask(startAgent(t, { headTimeoutMs: 0, idleBodyTimeoutMs: 0, idleTimeoutMs: 40 }), worker.port)
  await until('it was asked', () => upstream !== undefined)
  await new Promise(resolve => { setTimeout(resolve, 200) })
  upstream?.write(begun)
  await until('the body began', () => asked.pieces.length === 1)
  await new Promise(resolve => { setTimeout(resolve, 200) })
  upstream?.write('0\r\n\r\n')
  await asked.over
  t.equal(asked.error, undefined)
})
