// An attempt may have to be prepared: the request waits for it, its client may leave meanwhile, and an answer may come in its place.
import t from 'tap'
import { Exchange } from '../../core/exchange.ts'
import { ManualClock } from '../helpers/manual-clock.ts'
import { until } from '../helpers/until.ts'
import { deliver } from './delivering.ts'
import { ask, deadPort, dial, get, rawWorker } from './wire.ts'

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

t.test('the first and the second', async t => {
  const one = await rawWorker(t, socket => { socket.write('HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy') })
  const two = await rawWorker(t, socket => { socket.write(ok) })
  const asked: number[] = []
  const { port, requests } = await deliver(t, {
    origins: [`http://127.0.0.1:${one.port}`, `http://127.0.0.1:${two.port}`],
    prepare: async attempt => { asked.push(attempt); return undefined }
  })
  t.equal((await ask(t, port, get)).body, 'ok')
  t.same([asked, requests[0]?.settled, requests[0]?.from], [[0, 1], [1, 1], 1])
})

t.test('nobody after all: the last answer, or that there was none', async t => {
  const one = await rawWorker(t, socket => { socket.write('HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy') })
  const kept = await deliver(t, { origins: [`http://127.0.0.1:${one.port}`], prepare: async () => undefined })
  t.equal((await ask(t, kept.port, get)).body, 'busy')
  const none = await deliver(t, { origins: [], prepare: async () => undefined })
  t.equal((await ask(t, none.port, get)).head[0], 'HTTP/1.1 502 Bad Gateway')
  t.match(none.requests[0]?.failure, { message: 'no answer' })
})

t.test('what prevents it is what the client is told', async t => {
  const { port, requests } = await deliver(t, { origins: [], prepare: async () => { throw new Error('not today') } })
  t.equal((await ask(t, port, get)).head[0], 'HTTP/1.1 502 Bad Gateway')
  t.match(requests[0]?.failure, { message: 'not today' })
})

t.test('an answer in its place goes out as it is', async t => {
  const exchange = new Exchange(new ManualClock(), { settled () {} })
  exchange.completed()
  const flat = ['X-One', '1', 'x-one', '2', 'Content-Type', 'text/odd', 'Content-Length', '4']
  const ready = { exchange, answer: { status: 418, rawHeaders: flat, flat, headers: {}, message: 'No', body: Buffer.from('teas') } }
  for (const origins of [[], [`http://127.0.0.1:${await deadPort()}`, 'http://nobody-asks.invalid']]) {
    const { port, requests } = await deliver(t, { origins, prepare: async attempt => attempt === 0 && origins.length > 0 ? undefined : ready })
    const { head, body } = await ask(t, port, get)
    t.equal(head[0], 'HTTP/1.1 418 No')
    t.same(head.slice(1).filter(line => !/^(date|connection|keep-alive):/i.test(line)), ['X-One: 1', 'x-one: 2', 'Content-Type: text/odd', 'Content-Length: 4'])
    t.equal(body, 'teas')
    t.equal(requests[0]?.exchanges.length, origins.length === 0 ? 0 : 1)
  }
})

t.test('the client leaves meanwhile', async t => {
  const worker = await rawWorker(t, socket => { socket.write(ok) })
  for (const first of [true, false]) {
    let release: () => void = () => {}
    const dead = `http://127.0.0.1:${await deadPort()}`
    const { port, requests } = await deliver(t, {
      origins: first ? [`http://127.0.0.1:${worker.port}`] : [dead, `http://127.0.0.1:${worker.port}`],
      prepare: attempt => attempt === 0 && !first ? Promise.resolve(undefined) : new Promise(resolve => { release = () => resolve(undefined) })
    })
    const client = dial(t, port, get)
    await until('it is being prepared', () => first ? requests.length === 1 : requests[0]?.setbacks.length === 1)
    client.destroy()
    await until('the request is over', () => requests[0]?.failure !== undefined)
    t.match(requests[0]?.stopped, { message: 'the client is gone' }, 'whoever prepares it was told')
    release()
    await until('the attempt that came too late is settled', () => requests[0]?.exchanges.at(-1)?.end !== undefined)
    t.equal(requests[0]?.exchanges.at(-1)?.end, 'client_gone')
    t.ok(requests[0]?.settled.every(times => times === 1))
  }
  t.equal(worker.sockets.length, 0, 'and never made')
})
