// The memory of a piece is used again when nobody looks at it any more, and never before: however many answers flow side by side, to readers fast and slow, each client gets its bytes.
import t from 'tap'
import { keep, release } from '../../../core/http1/pieces.ts'
import { until } from '../../helpers/until.ts'
import { chunk, dial, rawWorker, router, unchunked } from '../wire.ts'

t.test('the last piece is used again, others are not', async t => {
  const read = Buffer.alloc(1000)
  const first = keep(read, 0, 1000)
  const second = keep(read, 0, 500)
  release(first)
  const third = keep(read, 0, 10)
  t.not(third.byteOffset, first.byteOffset, 'what is between others stays')
  release(third)
  release(second)
  const fourth = keep(read, 0, 400)
  t.equal(fourth.byteOffset, second.byteOffset)
  release(fourth)
  release(Buffer.from('of another memory'))
  const fifth = keep(read, 0, 3)
  t.equal(fifth.byteOffset, fourth.byteOffset)
  release(fifth.subarray(0, 2))
  t.not(keep(read, 0, 3).byteOffset, fifth.byteOffset, 'a piece whose end somebody keeps stays')
})

t.test('each client gets its own bytes', async t => {
  const streams = 12
  /** Pieces of all sizes, each byte of which tells whose it is and where it stands. */
  const body = (n: number): string => Array.from({ length: 60 }, (_, i) => `<${n}.${i}>`.repeat(1 + (n * 7919 + i * 104_729) % 24_000)).join('')
  const bodies = Array.from({ length: streams }, (_, n) => body(n))
  const worker = await rawWorker(t, (socket, request) => {
    const n = Number(/ \/(\d+)/.exec(request)?.[1])
    const text = bodies[n] ?? ''
    socket.write(n % 3 === 0
      ? `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`
      : `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${(text.match(/[^]{1,7000}/g) ?? []).map(chunk).join('')}0\r\n\r\n`)
  })
  const { port, calls } = await router(t, worker.port)
  const clients = bodies.map((_, n) => {
    const socket = dial(t, port, `GET /${n} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    const came: Buffer[] = []
    const client = { came, ended: false, start: () => { socket.on('data', piece => came.push(piece)).resume() } }
    socket.on('end', () => { client.ended = true })
    // every other one reads only when the rest is done
    if (n % 2 === 0) client.start()
    else socket.pause()
    return client
  })
  await until('the fast ones are done', () => clients.every(({ ended }, n) => n % 2 === 1 || ended))
  t.ok(calls.some(({ reply }) => !reply.writableFinished), 'some are slow')
  for (const [n, client] of clients.entries()) if (n % 2 === 1) client.start()
  await until('all are done', () => clients.every(({ ended }) => ended))
  for (const [n, { came }] of clients.entries()) {
    const all = Buffer.concat(came).toString('latin1')
    const text = all.slice(all.indexOf('\r\n\r\n') + 4)
    t.ok((n % 3 === 0 ? text : unchunked(text).text) === bodies[n], `answer ${n}`)
  }
})

t.test('what flows by leaves no memory behind', async t => {
  const piece = chunk('x'.repeat(50_000))
  const pieces = 2000
  const worker = await rawWorker(t, socket => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
    let left = pieces
    const more = (): void => {
      while (left-- > 0) {
        if (socket.write(piece)) continue
        socket.once('drain', more)
        return
      }
      socket.write('0\r\n\r\n')
    }
    more()
  })
  let own = 0
  const blocks = new Set<ArrayBufferLike>()
  const { port } = await router(t, worker.port, {}, call => {
    const write = call.reply.write.bind(call.reply) as (...given: unknown[]) => boolean
    call.reply.write = ((...given: unknown[]) => {
      const [bytes] = given
      if (Buffer.isBuffer(bytes)) {
        blocks.add(bytes.buffer)
        own += bytes.length
      }
      return write(...given)
    }) as typeof call.reply.write
  })
  const client = dial(t, port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  let size = 0
  client.on('data', bytes => { size += bytes.length })
  await until('all came', () => client.readableEnded || client.destroyed)
  t.ok(size > pieces * 50_000, `${size} bytes came`)
  t.ok(own > size / 2, 'most of them as bytes')
  t.ok(blocks.size < 60, `in ${blocks.size} blocks of memory; each byte in its own would be ${Math.round(own / 262_144)}`)
})
