// Answers that are held until they are complete: one that breaks off or is no good is followed by another attempt; a body may be changed on its way.
import t from 'tap'
import type { Rewrite, StreamChange, WholeChange } from '../../core/delivery.ts'
import { until } from '../helpers/until.ts'
import { deliver } from './delivering.ts'
import { ask, chunk, get, rawWorker, sseHead, unchunked } from './wire.ts'

const length = (text: string, more = ''): string => `HTTP/1.1 200 OK\r\nX-Other: 1\r\n${more}Content-Length: ${text.length}\r\nContent-Type: text/plain\r\n\r\n${text}`
const good = length('good')
const heads = (head: readonly string[]): string[] => head.slice(1).filter(line => !/^(date|connection|keep-alive):/i.test(line))

function rewrite (change: WholeChange | StreamChange | undefined): Rewrite {
  return { begin: () => change }
}

t.test('wanted whole', async t => {
  for (const [name, first, end] of [
    ['breaks off after its first bytes', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf', 'broken'],
    ['is no good', length('bad!'), 'completed']
  ] as const) {
    const one = await rawWorker(t, socket => { socket.write(first, () => { if (end === 'broken') socket.destroy() }) })
    const two = await rawWorker(t, socket => { socket.write(good) })
    const { port, requests } = await deliver(t, {
      origins: [one, two].map(worker => `http://127.0.0.1:${worker.port}`), whole: { bytes: 100, check: (status, body) => status === 200 && body.toString() === 'bad!' ? new Error('bad') : undefined }
    })
    t.equal((await ask(t, port, get)).body, 'good', name)
    t.same([requests[0]?.exchanges.map(exchange => exchange.end), requests[0]?.settled, requests[0]?.from], [[end, 'completed'], [1, 1], 1])
  }
  const bad = await rawWorker(t, socket => { socket.write(length('bad!')) })
  const { port, requests } = await deliver(t, { origins: [`http://127.0.0.1:${bad.port}`], whole: { bytes: 100, check: () => new Error('no good') } })
  t.equal((await ask(t, port, get)).head[0], 'HTTP/1.1 502 Bad Gateway')
  t.match(requests[0]?.failure, { message: 'no good' })
})

t.test('the first byte ends the wait for it, also where it is held', async t => {
  const slow = await rawWorker(t, socket => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsl')
    setTimeout(() => socket.write('ow'), 150)
  })
  const { port, requests } = await deliver(t, { origins: [`http://127.0.0.1:${slow.port}`], limitMs: 60, whole: { bytes: 100, check: () => undefined } })
  t.equal((await ask(t, port, get)).body, 'slow')
  t.same(requests[0]?.setbacks, [])
})

t.test('a body of its own', async t => {
  let seen = ''
  const worker = await rawWorker(t, (socket, request) => {
    seen = request
    socket.write(good)
  })
  const { port } = await deliver(t, { origins: [`http://127.0.0.1:${worker.port}`], body: Buffer.from('mine') })
  await ask(t, port, 'POST / HTTP/1.1\r\nHost: r\r\nConnection: close\r\nContent-Length: 6\r\n\r\ntheirs')
  t.ok(seen.endsWith('\r\n\r\nmine'))
  t.match(seen, /content-length: 4\r\n/i)
})

t.test('changed when it is complete', async t => {
  const worker = await rawWorker(t, socket => { socket.write(length('x'.repeat(50))) })
  let passed = 0
  const change = (bytes: number): Rewrite => rewrite({ bytes, whole: body => Buffer.from(`<${body.toString()}>`), passed () { passed++ } })
  const origins = [`http://127.0.0.1:${worker.port}`]
  const changed = await ask(t, (await deliver(t, { origins, rewrite: change(50) })).port, get)
  t.equal(changed.body, `<${'x'.repeat(50)}>`)
  t.same(heads(changed.head), ['X-Other: 1', 'Content-Length: 52', 'Content-Type: text/plain'], 'with its new length, in its place')
  const long = await ask(t, (await deliver(t, { origins, rewrite: change(49) })).port, get)
  t.equal(long.body, 'x'.repeat(50))
  t.same([heads(long.head), passed], [['X-Other: 1', 'Content-Length: 50', 'Content-Type: text/plain'], 1], 'too long: as it was')
  const same = await ask(t, (await deliver(t, { origins, rewrite: rewrite({ bytes: 50, whole: body => body }) })).port, get)
  t.same(heads(same.head), ['X-Other: 1', 'Content-Length: 50', 'Content-Type: text/plain'])
})

t.test('an answer that is to be changed and breaks off is followed by another', async t => {
  const one = await rawWorker(t, socket => { socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf', () => socket.destroy()) })
  const two = await rawWorker(t, socket => { socket.write(good) })
  const { port, requests } = await deliver(t, { origins: [one, two].map(worker => `http://127.0.0.1:${worker.port}`), rewrite: rewrite({ bytes: 100, whole: body => body }) })
  t.equal((await ask(t, port, get)).body, 'good')
  t.same(requests[0]?.settled, [1, 1])
})

/** Holds back what comes until a full stop. */
function sentences (): StreamChange {
  let held = ''
  return {
    push (piece) {
      held += piece.toString()
      const end = held.lastIndexOf('.') + 1
      const out = held.slice(0, end).toUpperCase()
      held = held.slice(end)
      return Buffer.from(out)
    },
    end: () => Buffer.from(held)
  }
}

t.test('changed piece by piece', async t => {
  const worker = await rawWorker(t, socket => { socket.write(sseHead + chunk('one. tw') + chunk('o. thr') + chunk('ee') + '0\r\n\r\n') })
  const { port } = await deliver(t, { origins: [`http://127.0.0.1:${worker.port}`], rewrite: rewrite(sentences()) })
  t.same(unchunked((await ask(t, port, get)).body), { text: 'ONE. TWO. three', complete: true })
})

t.test('no length is announced for a body that is changed piece by piece', async t => {
  const worker = await rawWorker(t, socket => { socket.write(length('one. tw')) })
  const { port } = await deliver(t, { origins: [`http://127.0.0.1:${worker.port}`], rewrite: rewrite(sentences()) })
  const { head, body } = await ask(t, port, get)
  t.same(heads(head), ['X-Other: 1', 'Content-Type: text/plain', 'Transfer-Encoding: chunked'])
  t.same(unchunked(body), { text: 'ONE. tw', complete: true })
})

t.test('what was held back goes out before the last words', async t => {
  const worker = await rawWorker(t, socket => { socket.write(sseHead + chunk('one. tw'), () => setTimeout(() => socket.destroy(), 20)) })
  const { port, requests } = await deliver(t, { origins: [`http://127.0.0.1:${worker.port}`], rewrite: rewrite(sentences()) })
  t.same(unchunked((await ask(t, port, get)).body).text, 'ONE. twdata: broken\n\n')
  await until('settled', () => requests[0]?.settled[0] === 1)
})
