// However an answer is framed by the worker, and whatever the client speaks, the client gets the same bytes, framed for it, each piece in one write where it is small.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import t from 'tap'
import { Relay } from '../../core/relay.ts'
import { until } from '../helpers/until.ts'
import { ask, chunk, dial, get, oldGet, rawWorker, router, unchunked } from './wire.ts'

const every = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('')
const chunkedHead = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
const head = 'HEAD /v1/x HTTP/1.1\r\nHost: router\r\nConnection: close\r\n\r\n'

for (const [size, body] of [['nothing', ''], ['one byte', 'a'], ['every byte', every], ['as much as one write takes', every.repeat(62)], ['more than one write takes', every.repeat(64)], ['a megabyte', every.repeat(4096)]] as const) {
  t.test(size, async t => {
    const framings: Record<string, string> = {
      length: `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      'one chunk': chunkedHead + (body === '' ? '' : chunk(body)) + '0\r\n\r\n',
      'many chunks': chunkedHead + (body.match(/[^]{1,1000}/g) ?? []).map(chunk).join('') + '0\r\n\r\n',
      'the end of the connection': `HTTP/1.1 200 OK\r\n\r\n${body}`
    }
    let answer = ''
    const worker = await rawWorker(t, (socket, request) => {
      const [first = ''] = answer.split('\r\n\r\n')
      socket.write(request.startsWith('HEAD') ? `${first}\r\n\r\n` : answer, 'latin1')
      if (!/content-length|transfer-encoding/i.test(first)) socket.end()
    })
    const { port, calls } = await router(t, worker.port)
    for (const [framing, bytes] of Object.entries(framings)) {
      answer = bytes
      const known = framing === 'length'
      const got = await ask(t, port, get)
      if (known) t.ok(got.head.includes(`Content-Length: ${body.length}`), framing)
      else t.ok(got.head.includes('Transfer-Encoding: chunked'), framing)
      t.ok(known ? got.body === body : unchunked(got.body).text === body && unchunked(got.body).complete, framing)
      const old = await ask(t, port, oldGet)
      t.ok(old.body === body && !old.reset, `${framing}, to HTTP/1.0`)
      t.notMatch(old.head.join('\n'), /transfer-encoding/i)
      const headOnly = await ask(t, port, head)
      t.same([headOnly.body, headOnly.head[0]], ['', 'HTTP/1.1 200 OK'], `${framing}, to HEAD`)
      if (known) t.ok(headOnly.head.includes(`Content-Length: ${body.length}`))
    }
    await until('all are complete', () => calls.every(call => call.exchange.end === 'completed' && call.reply.writableFinished))
  })
}

t.test('what is on one connection keeps its order, whoever is answered first', async t => {
  const waiting: Array<() => void> = []
  const worker = await rawWorker(t, (socket, request) => {
    const n = Number(/ \/(\d)/.exec(request)?.[1])
    const body = `answer ${n} `.repeat(10)
    waiting[n] = () => {
      if (n % 2 === 0) socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
      else {
        socket.write(chunkedHead + chunk(body))
        setTimeout(() => { socket.write(chunk(body) + chunk('end') + '0\r\n\r\n') }, 10)
      }
    }
  })
  const { port, calls } = await router(t, worker.port)
  const client = dial(t, port, Array.from({ length: 6 }, (_, n) => `GET /${n} HTTP/1.1\r\nHost: a\r\n${n === 5 ? 'Connection: close\r\n' : ''}\r\n`).join(''))
  let text = ''
  client.on('data', piece => { text += piece.toString('latin1') })
  await until('all are asked', () => waiting.filter(Boolean).length === 6)
  for (const n of [4, 5, 1, 0, 3, 2]) {
    waiting[n]?.()
    await new Promise(resolve => { setTimeout(resolve, 15) })
  }
  await until('the connection ends', () => client.destroyed)
  const bodies = text.split(/HTTP\/1\.1 200 OK\r\n/).slice(1).map(answer => {
    const [lines = '', ...rest] = answer.split('\r\n\r\n')
    const body = rest.join('\r\n\r\n')
    return /chunked/.test(lines) ? unchunked(body).text : body
  })
  t.same(bodies, Array.from({ length: 6 }, (_, n) => n % 2 === 0 ? `answer ${n} `.repeat(10) : `answer ${n} `.repeat(20) + 'end'))
  t.ok(calls.every(call => call.exchange.end === 'completed'))
})

t.test('an answer that came whole goes out in one piece, and so does each chunk', async t => {
  let upstream: Socket | undefined
  const worker = await rawWorker(t, (socket, request) => {
    upstream = socket
    if (request.startsWith('GET /whole')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n' + 'x'.repeat(297) + 'end')
    else if (request.startsWith('GET /chunks')) socket.write(chunkedHead + chunk('some') + chunk('more') + '0\r\n\r\n')
    else socket.write(chunkedHead + chunk('data: 0\n\n'))
  })
  const { port } = await router(t, worker.port)
  for (const [path, end] of [['/whole', 'end'], ['/chunks', `${chunk('somemore')}0\r\n\r\n`]] as const) {
    const whole = dial(t, port, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
    const pieces: string[] = []
    whole.on('data', piece => { pieces.push(piece.toString('latin1')) })
    await until('it came', () => pieces.join('').endsWith(end))
    t.equal(pieces.length, 1, path)
  }

  const stream = dial(t, port, get)
  const events: string[] = []
  stream.on('data', piece => { events.push(piece.toString('latin1')) })
  for (let i = 1; i < 5; i++) {
    await until('the one before came', () => events.length === i)
    upstream?.write(chunk(`data: ${i}\n\n`))
  }
  await until('the last one came', () => events.length === 5)
  t.same(events.slice(1), [1, 2, 3, 4].map(i => chunk(`data: ${i}\n\n`)))
  upstream?.write('0\r\n\r\n')
  await until('the end', () => stream.destroyed)
  t.equal(events.slice(5).join(''), '0\r\n\r\n')
})

t.test('what was to go out with the end goes out before whatever else comes: more of the answer, or that it broke off', async t => {
  const controller = { ending: true, aborted: false, paused: false, reason: null, rawHeaders: ['Content-Type', 'text/event-stream'], abort () {}, pause () {}, resume () {} }
  for (const then of ['more', 'end', 'error'] as const) {
    const server = createServer((_request, reply) => {
      const relay = new Relay(reply, { takeOver: () => [], failed () {}, lastWords: () => Buffer.from('data: broken\n\n') })
      relay.onResponseStart(controller, 200, {}, 'OK')
      relay.onResponseData(controller, Buffer.from('data: 1\n\n'))
      if (then === 'more') relay.onResponseData(controller, Buffer.from('data: 2\n\n'))
      if (then === 'error') relay.onResponseError(controller, new Error('broken'))
      else relay.onResponseEnd(controller)
    }).listen(0, '127.0.0.1')
    t.teardown(() => server.close())
    await once(server, 'listening')
    const { body } = await ask(t, (server.address() as AddressInfo).port, get)
    t.same(unchunked(body), { text: 'data: 1\n\n' + { more: 'data: 2\n\n', end: '', error: 'data: broken\n\n' }[then], complete: true })
  }
})

t.test('the connection goes on after an answer of each kind', async t => {
  const worker = await rawWorker(t, (socket, request) => {
    if (request.startsWith('GET /1')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na')
    else if (request.startsWith('GET /2')) socket.write(chunkedHead + chunk('b') + '0\r\n\r\n')
    else if (request.startsWith('GET /3')) socket.write('HTTP/1.1 204 No Content\r\n\r\n')
    else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  })
  const { port, calls } = await router(t, worker.port)
  const client = dial(t, port, '')
  let text = ''
  client.on('data', piece => { text += piece.toString('latin1') })
  for (let i = 0; i < 12; i++) {
    client.write(`GET /${i % 4 + 1} HTTP/1.1\r\nHost: a\r\n\r\n`)
    await until('it is answered', () => calls[i]?.reply.writableFinished === true && text.split('HTTP/1.1 ').length === i + 2)
  }
  t.equal(client.destroyed, false)
  t.equal(calls.length, 12)
})
