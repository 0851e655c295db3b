// A call that is not wanted any more ends at once, in whatever phase it is, and its connection with it; nothing is told afterwards.
import { once } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { until } from '../../helpers/until.ts'
import { rawWorker } from '../wire.ts'
import { ask, startAgent } from './asking.ts'
import type { Hooks } from './asking.ts'

const enough = new Error('enough')
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const begun = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n'

const phases: ReadonlyArray<readonly [name: string, answer: string, hooks: Hooks, told: ReadonlyArray<string | number>]> = [
  ['when it is to be sent', ok, { start: controller => controller.abort(enough) }, ['start', 'error']],
  ['when the head came', ok, { head: controller => controller.abort(enough) }, ['start', 'head', 'error']],
  ['when the head came, without a body', 'HTTP/1.1 204 No Content\r\n\r\n', { head: controller => controller.abort(enough) }, ['start', 'head', 'error']],
  ['when the whole body came', ok, { data: controller => controller.abort(enough) }, ['start', 'head', 2, 'error']],
  ['within the body', begun, { data: controller => controller.abort(enough) }, ['start', 'head', 1, 'error']],
  ['within the body, with the end behind', `${begun}0\r\n\r\n`, { data: controller => controller.abort(enough) }, ['start', 'head', 1, 'error']],
  ['by a handler that throws when it is to be sent', ok, { start () { throw enough } }, ['start', 'error']],
  ['by a handler that throws at the head', ok, { head () { throw enough } }, ['start', 'head', 'error']],
  ['by a handler that throws at the body', ok, { data () { throw enough } }, ['start', 'head', 2, 'error']]
]

for (const [name, answer, hooks, told] of phases) {
  for (const reused of [false, true]) {
    t.test(`${name}${reused ? ', on a connection that was used before' : ''}`, async t => {
      let requests = 0
      const worker = await rawWorker(t, (socket, request) => {
        requests++
        socket.write(request.startsWith('GET /first') ? ok : answer)
      })
      const agent = startAgent(t)
      if (reused) await ask(agent, worker.port, { path: '/first' }).over
      const asked = ask(agent, worker.port, {}, hooks)
      await asked.over
      t.equal(asked.error, enough)
      t.same(asked.told, told)
      await until('the connection ends', () => worker.sockets[0]?.destroyed === true)
      t.equal(requests, (reused ? 1 : 0) + (told.length === 2 ? 0 : 1), 'what is not wanted is not sent')
      const next = ask(agent, worker.port, { path: '/first' })
      await next.over
      t.equal(next.body, 'ok')
      t.same(asked.told, told, 'nothing more was told')
    })
  }
}

for (const [name, answer] of [['before the answer', ''], ['within the head', 'HTTP/1.1 200'], ['within the body', begun], ['within a body of known length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel']] as const) {
  t.test(`from outside: ${name}`, async t => {
    const worker = await rawWorker(t, socket => { socket.write(answer) })
    const agent = startAgent(t)
    const asked = ask(agent, worker.port)
    await until('the worker was asked', () => worker.sockets[0]?.bytesRead !== 0 && worker.sockets.length === 1 && asked.controller !== undefined)
    if (answer.includes('\r\n\r\n')) await until('the body began', () => asked.pieces.length > 0)
    const [socket] = worker.sockets
    const closed = socket === undefined ? undefined : once(socket, 'close')
    asked.controller?.abort(enough)
    t.equal(asked.error, enough, 'it is told at once')
    t.same([asked.controller?.aborted, asked.controller?.reason], [true, enough])
    asked.controller?.abort(new Error('again'))
    await closed
    t.same(asked.told.filter(what => what === 'error').length, 1)
  })
}

t.test('after the end it is too late: the connection goes on', async t => {
  const worker = await rawWorker(t, socket => { socket.write(ok) })
  const agent = startAgent(t)
  const asked = ask(agent, worker.port)
  await asked.over
  asked.controller?.abort(enough)
  asked.controller?.pause()
  asked.controller?.resume()
  await ask(agent, worker.port).over
  t.same([asked.error, worker.sockets.length], [undefined, 1])
})

t.test('a handler that throws at the end is told of it, and the connection goes on', async t => {
  const worker = await rawWorker(t, socket => { socket.write(ok) })
  const agent = startAgent(t)
  const asked = ask(agent, worker.port, {}, { end () { throw enough } })
  await until('it was told', () => asked.told.at(-1) === 'error')
  t.equal(asked.error, enough)
  await ask(agent, worker.port).over
  t.equal(worker.sockets.length, 1)
})

t.test('while it is held back', async t => {
  const worker = await rawWorker(t, socket => { socket.write(`${begun}0\r\n\r\n`) })
  const agent = startAgent(t)
  const asked = ask(agent, worker.port, {}, { head: controller => controller.pause() })
  await until('the head', () => asked.told.includes('head'))
  asked.controller?.abort(enough)
  asked.controller?.resume()
  t.same(asked.told, ['start', 'head', 'error'])
  await until('the connection ends', () => worker.sockets[0]?.destroyed === true)
})

t.test('destroy: calls in every phase fail, connections are closed when it resolves, and no more calls are taken', async t => {
  const sockets: Socket[] = []
  const worker = await rawWorker(t, (socket, request) => {
    sockets.push(socket)
    if (request.startsWith('GET /ok')) socket.write(ok)
    else if (request.startsWith('GET /body')) socket.write(begun)
  })
  const agent = startAgent(t)
  await ask(agent, worker.port, { path: '/ok' }).over
  const asked = [ask(agent, worker.port, { path: '/none' }), ask(agent, worker.port, { path: '/body' })]
  await until('both are under way', () => sockets.length === 3 && asked[1]?.pieces.length === 1)
  await ask(agent, worker.port, { path: '/ok' }).over
  const queued = ask(agent, worker.port, { path: '/ok' })
  const connecting = ask(agent, worker.port, { origin: 'http://192.0.2.1:9' })
  await agent.destroy()
  t.same([...asked, queued, connecting].map(one => one.error?.code), ['UND_ERR_DESTROYED', 'UND_ERR_DESTROYED', 'UND_ERR_DESTROYED', 'UND_ERR_DESTROYED'])
  await until('all are closed', () => worker.sockets.every(socket => socket.destroyed))
  const late = ask(agent, worker.port)
  t.same([late.sent, late.told, late.error?.code], [false, ['error'], 'UND_ERR_DESTROYED'])
  await agent.destroy()
  const reason = new Error('the reason')
  const other = startAgent(t)
  const last = ask(other, worker.port, { path: '/none' })
  await until('it is under way', () => last.controller !== undefined)
  await other.destroy(reason)
  t.equal(last.error, reason)
})

t.test('close: what is under way is finished, no more is taken', async t => {
  let answer = (): void => {}
  const worker = await rawWorker(t, (socket, request) => {
    if (request.startsWith('GET /ok')) socket.write(ok)
    else answer = () => { socket.write(ok) }
  })
  const agent = startAgent(t)
  await ask(agent, worker.port, { path: '/ok' }).over
  const asked = ask(agent, worker.port)
  const queued = ask(agent, worker.port, { path: '/ok' })
  await until('it is under way', () => asked.controller !== undefined)
  let closed = false
  const closing = agent.close(() => { closed = true })
  t.equal(ask(agent, worker.port).error?.code, 'UND_ERR_CLOSED')
  await queued.over
  t.same([queued.body, closed], ['ok', false])
  answer()
  await closing
  t.same([asked.body, closed], ['ok', true])
  await until('all are closed', () => worker.sockets.every(socket => socket.destroyed))
})
