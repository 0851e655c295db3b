// What a request looks like on the wire, byte for byte, and what is not sent at all.
import t from 'tap'
import type { Dispatcher } from 'undici'
import { until } from '../../helpers/until.ts'
import { rawWorker } from '../wire.ts'
import { ask, startAgent } from './asking.ts'

const every = Buffer.from(Array.from({ length: 256 }, (_, code) => code))

t.test('requests', async t => {
  const seen: string[] = []
  const worker = await rawWorker(t, (socket, request) => {
    seen.push(request)
    socket.write('HTTP/1.1 204 No Content\r\n\r\n')
  })
  const agent = startAgent(t)
  const start = (line: string, connection = 'keep-alive'): string => `${line} HTTP/1.1\r\nhost: 127.0.0.1:${worker.port}\r\nconnection: ${connection}\r\n`
  const large = Buffer.concat(Array.from({ length: 4096 }, () => every))
  for (const [options, bytes] of [
    [{}, `${start('GET /')}\r\n`],
    [{ path: '/a%2Fb/../c?d=%20&&e' }, `${start('GET /a%2Fb/../c?d=%20&&e')}\r\n`],
    [{ method: 'HEAD' }, `${start('HEAD /', 'close')}\r\n`],
    [{ method: 'DELETE' }, `${start('DELETE /')}\r\n`],
    [{ method: 'POST' }, `${start('POST /')}content-length: 0\r\n\r\n`],
    [{ method: 'PATCH', body: Buffer.alloc(0) }, `${start('PATCH /')}content-length: 0\r\n\r\n`],
    [{ method: 'POST', headers: ['X-One', '1', 'x-Two', 'caf\xe9', 'X-One', '', 'x-tab', 'a\tb'], body: every }, `${start('POST /')}X-One: 1\r\nx-Two: caf\xe9\r\nX-One: \r\nx-tab: a\tb\r\ncontent-length: 256\r\n\r\n${every.toString('latin1')}`],
    [{ method: 'POST', body: every.subarray(10, 20) }, `${start('POST /')}content-length: 10\r\n\r\n${every.toString('latin1', 10, 20)}`],
    [{ method: 'QUERY', body: large }, `${start('QUERY /')}content-length: ${large.length}\r\n\r\n${large.toString('latin1')}`],
    [{ method: 'POST', body: large.subarray(0, 16_384) }, `${start('POST /')}content-length: 16384\r\n\r\n${large.toString('latin1', 0, 16_384)}`]
  ] as ReadonlyArray<readonly [Partial<Dispatcher.DispatchOptions>, string]>) {
    const asked = ask(agent, worker.port, options)
    await asked.over
    t.equal(asked.error, undefined)
    const got = seen.pop() ?? ''
    // of a megabyte only a difference is worth showing
    if (got !== bytes) t.equal(got.slice(0, 1000), bytes.slice(0, 1000), `${options.method ?? 'GET'}, ${got.length} of ${bytes.length} bytes`)
    else t.pass(bytes.slice(0, 20))
  }
})

t.test('a body goes out in one piece with its head', async t => {
  const pieces: number[] = []
  const worker = await rawWorker(t, socket => { socket.write('HTTP/1.1 204 No Content\r\n\r\n') })
  const agent = startAgent(t)
  await ask(agent, worker.port).over
  worker.sockets[0]?.prependListener('data', piece => { pieces.push(piece.length) })
  await ask(agent, worker.port, { method: 'POST', body: Buffer.alloc(300, 'x') }).over
  t.equal(pieces.length, 1)
})

t.test('what is refused here', async t => {
  const worker = await rawWorker(t, () => {})
  const agent = startAgent(t)
  for (const [name, options] of Object.entries({
    'no path': { path: '' },
    'a path without a slash': { path: 'a' },
    'a whole URL': { path: 'http://elsewhere/' },
    'a space in the path': { path: '/a b' },
    'a line end in the path': { path: '/a\r\nX: b' },
    'NUL in the path': { path: '/a\0' },
    'a path beyond Latin-1': { path: '/\u20ac' },
    'no method': { method: '' },
    'a method with a space': { method: 'GET /x' },
    CONNECT: { method: 'CONNECT' },
    'half a header': { headers: ['a'] },
    'headers as an object': { headers: { a: 'b' } },
    'no header name': { headers: ['', 'b'] },
    'a name with a colon': { headers: ['a:', 'b'] },
    'a name with a line end': { headers: ['a\r\nb', 'c'] },
    'CR in a value': { headers: ['a', 'b\rc'] },
    'LF in a value': { headers: ['a', 'b\nc'] },
    'NUL in a value': { headers: ['a', 'b\0'] },
    'a value beyond Latin-1': { headers: ['a', '\u20ac'] },
    Connection: { headers: ['Connection', 'close'] },
    'Transfer-Encoding': { headers: ['TRANSFER-ENCODING', 'chunked'] },
    'Content-Length': { headers: ['content-length', '1'] },
    Host: { headers: ['Host', 'elsewhere'] },
    Upgrade: { headers: ['upgrade', 'h2c'] },
    Expect: { headers: ['expect', '100-continue'] },
    'a text as body': { method: 'POST', body: 'text' },
    'bytes that are no Buffer': { method: 'POST', body: new Uint8Array(2) },
    'no origin': { origin: '' },
    'an origin that is none': { origin: 'worker:8000' },
    'another protocol': { origin: 'ftp://127.0.0.1' }
  } as Record<string, Partial<Dispatcher.DispatchOptions>>)) {
    const asked = ask(agent, worker.port, options)
    await asked.over
    t.same([asked.sent, asked.told, asked.error?.code], [false, ['error'], 'UND_ERR_INVALID_ARG'], name)
  }
  const asked = ask(agent, worker.port)
  await until('only the good one comes', () => asked.controller !== undefined)
  t.equal(worker.sockets.length, 1)
})
