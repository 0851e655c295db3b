// Whatever a worker answers reaches the client byte for byte, on both ways out: status line, headers and body.
// Takes long, and so a process of its own.
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { send } from '../helpers/raw-client.ts'
import { bytes, startRawWorker, valuesOf } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'

const paths = ['/v1/chat/completions', '/v1/responses', '/tokenize', '/v1/responses/resp_1', '/any/path']

/** The answer's bytes; with a length, in chunks, or until the end of the connection. */
function answer (head: string, body: Buffer | string, framing: 'length' | 'chunked' | 'close'): Buffer {
  const content = Buffer.from(body as string)
  if (framing === 'length') return Buffer.concat([Buffer.from(`${head}Content-Length: ${content.length}\r\n\r\n`, 'latin1'), content])
  if (framing === 'close') return Buffer.concat([Buffer.from(`${head}\r\n`, 'latin1'), content])
  const pieces = [content.subarray(0, 3), content.subarray(3)].filter(piece => piece.length > 0)
    .flatMap(piece => [Buffer.from(piece.length.toString(16) + '\r\n'), piece, Buffer.from('\r\n')])
  return Buffer.concat([Buffer.from(`${head}Transfer-Encoding: chunked\r\n\r\n`, 'latin1'), ...pieces, Buffer.from('0\r\n\r\n')])
}

t.test('answers', async t => {
  const worker = await startRawWorker(t)
  const { port } = await startRouter(t, { workerUrls: [worker.url], disableCircuitBreaker: true })

  t.test('bodies', async t => {
    const all: Array<[type: string | undefined, body: Buffer | string, more?: string]> = [
      ['application/json', ' {"a" : 1.0,"a":1e400, "b":"\\u0000\\ud800", "n":9007199254740993 }\r\n\n'],
      ['application/json', Buffer.from('{"text":"żółć 🙂 \xff"}', 'latin1')],
      ['application/json', ''],
      ['text/event-stream; charset=utf-8', 'data: {"a":1.0}\n\n: comment\r\n\r\ndata: [DONE]\n\ntrailing bytes'],
      ['text/event-stream', ''],
      ['application/octet-stream', Buffer.from(Array.from({ length: 100_000 }, (_, at) => at * 7 & 255))],
      ['application/json', gzipSync('{"a":1.0}'), 'Content-Encoding: gzip\r\n'],
      ['text/event-stream', gzipSync('data: 1\n\n'), 'content-encoding: gzip\r\n'],
      ['audio/mpeg', Buffer.alloc(3_000_000, 'abc\xff', 'latin1')],
      ['text/plain', 'plain'],
      ['text/html', '<b>ä</b>'],
      [undefined, 'no type'],
      [undefined, '']
    ]
    for (const path of paths) {
      for (const [type, body, more = ''] of all) {
        for (const framing of ['length', 'chunked', 'close'] as const) {
          const head = `HTTP/1.1 200 OK\r\n${type === undefined ? '' : `Content-Type: ${type}\r\n`}${more}Connection: close\r\n`
          worker.answer = bytes(answer(head, body, framing))
          const got = await send(port, { path, body: '{}' })
          const name = `${path} ${type} ${framing}`
          t.equal(got.complete, true, name)
          t.equal(got.body.equals(Buffer.from(body as string)), true, name)
          t.same(valuesOf(got.headers, 'content-type'), type === undefined ? [] : [type], name)
          if (framing === 'length') t.same(valuesOf(got.headers, 'content-length'), [String(Buffer.from(body as string).length)], name)
        }
      }
    }
  })

  t.test('status lines', async t => {
    const lines = [
      ...Array.from({ length: 400 }, (_, at) => `${at + 200} Word ${at}`), '200 OK', '200 Everything is fine, really', '404 Not Found', '418 I\'m a teapot', '299 \xfcber', '503 (none)'
    ]
    for (const path of ['/v1/chat/completions', '/tokenize']) {
      for (const line of lines) {
        const error = '{"object":"error", "code":1.0}'
        const bodyless = /^(204|304)/.test(line)
        const type = 'Content-Type: application/problem+json\r\n'
        worker.answer = bytes(`HTTP/1.1 ${line}\r\n${bodyless ? '' : type}Connection: close\r\n${bodyless ? '\r\n' : `Content-Length: ${error.length}\r\n\r\n${error}`}`)
        const got = await send(port, { path, body: '{}' })
        const sent = Buffer.from(`HTTP/1.1 ${line}`).toString('latin1')
        if (got.statusLine !== sent || got.body.toString() !== (bodyless ? '' : error) || !got.complete) {
          t.same([got.statusLine, got.body.toString(), got.complete], [sent, bodyless ? '' : error, true], path)
        }
        t.same(valuesOf(got.headers, 'content-type'), bodyless ? [] : ['application/problem+json'])
      }
    }
  })

  t.test('no body', async t => {
    for (const path of ['/v1/files', '/v1/responses/resp_1', '/v1/chat/completions']) {
      worker.answer = bytes('HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nContent-Length: 1234\r\nETag: "a"\r\n\r\n')
      const head = await send(port, { method: 'HEAD', path })
      t.same([head.status, head.body.length, valuesOf(head.headers, 'content-length'), valuesOf(head.headers, 'etag')], [200, 0, ['1234'], ['"a"']], `HEAD ${path}`)
      worker.answer = bytes('HTTP/1.1 304 Not Modified\r\nETag: "b"\r\n\r\n')
      const unchanged = await send(port, { method: 'GET', path, headers: [['If-None-Match', '"b"']] })
      t.same([unchanged.status, unchanged.body.length, valuesOf(unchanged.headers, 'etag')], [304, 0, ['"b"']])
      worker.answer = bytes('HTTP/1.1 204 No Content\r\nX-Y: z\r\n\r\n')
      const none = await send(port, { method: 'DELETE', path })
      t.same([none.status, none.body.length, none.complete, valuesOf(none.headers, 'x-y')], [204, 0, true, ['z']])
    }
  })

  t.test('after interim answers', async t => {
    for (const path of paths) {
      worker.answer = bytes('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok')
      const got = await send(port, { path, body: '{}' })
      t.same([got.status, got.body.toString(), valuesOf(got.headers, 'link')], [201, 'ok', []])
    }
  })
})
