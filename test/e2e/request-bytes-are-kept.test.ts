// Whatever a client sends to any endpoint of a worker arrives there byte for byte.
import t from 'tap'
import { open, requestBytes, send } from '../helpers/raw-client.ts'
import { startRawWorker, valuesOf } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'
import { bodies, jsonPaths, largeBody, multipart } from './corpus.ts'

const json = [['Content-Type', 'application/json']] as const

t.test('requests', async t => {
  const worker = await startRawWorker(t)
  const { port } = await startRouter(t, { workerUrls: [worker.url] })

  t.test('unusual bodies on every path', async t => {
    for (const path of jsonPaths) {
      for (const [name, body] of Object.entries(bodies)) {
        const { status } = await send(port, { path, headers: json, body })
        const seen = worker.requests.pop()
        if (status !== 200 || seen?.url !== path || seen.method !== 'POST' || !seen.body.equals(body)) {
          t.same({ status, url: seen?.url, body: seen?.body.toString('latin1') }, { status: 200, url: path, body: body.toString('latin1') }, `${path}: ${name}`)
        }
        t.same(valuesOf(seen?.rawHeaders ?? [], 'content-type'), ['application/json'])
        t.same(valuesOf(seen?.rawHeaders ?? [], 'content-length'), [String(body.length)])
      }
    }
  })

  t.test('every method', async t => {
    for (const path of ['/v1/chat/completions', '/v1/responses', '/v1/responses/resp_1', '/v1/files', '/tokenize', '/metrics', '/any/where']) {
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        await send(port, { method, path, headers: json, body: '{"a":1.0}' })
        const seen = worker.requests.pop()
        t.same([seen?.method, seen?.url, seen?.body.toString()], [method, path, '{"a":1.0}'])
      }
      for (const method of ['GET', 'HEAD', 'DELETE']) {
        if (path === '/metrics') continue
        await send(port, { method, path })
        const seen = worker.requests.pop()
        t.same([seen?.method, seen?.url, seen?.body.length], [method, path, 0])
        t.same(valuesOf(seen?.rawHeaders ?? [], 'content-type'), [], 'no type is made up where there is no body')
      }
    }
  })

  t.test('bodies in chunks, of other types, of none', async t => {
    const boundary = '----WebKitFormBoundaryAbC'
    for (const path of ['/v1/audio/transcriptions', '/v1/audio/translations', '/v1/files', '/v1/chat/completions']) {
      for (const [type, body] of [
        [`multipart/form-data; boundary=${boundary}`, multipart(boundary)], ['audio/wav', multipart('b')], ['text/plain;charset=latin1', Buffer.from('h\xe9', 'latin1')],
        ['application/x-www-form-urlencoded', Buffer.from('a=1&b=%20+')], ['nonsense', Buffer.from('x')], ['application/json; charset=utf-16; x', Buffer.from('{}')], ['', Buffer.from('{}')],
        [undefined, Buffer.from('{"a":1}')]
      ] as const) {
        for (const chunked of [undefined, 1000]) {
          await send(port, { path, headers: type === undefined ? [] : [['content-type', type]], body, ...(chunked === undefined ? {} : { chunked }) })
          const seen = worker.requests.pop()
          t.equal(seen?.body.equals(body), true, `${path} ${type}`)
          t.same(valuesOf(seen?.rawHeaders ?? [], 'content-type'), type === undefined ? [] : [type])
        }
      }
    }
  })

  t.test('20 MB', async t => {
    const body = largeBody(20_000_000)
    for (const path of ['/v1/completions', '/pooling']) {
      const { status } = await send(port, { path, headers: json, body })
      t.equal(status, 200)
      t.equal(worker.requests.pop()?.body.equals(body), true)
    }
  })

  t.test('no body at all', async t => {
    for (const path of jsonPaths) {
      await send(port, { path })
      const seen = worker.requests.pop()
      t.same([seen?.url, seen?.body.length], [path, 0])
    }
  })

  t.test('a client that asks before it sends', async t => {
    const { socket, text } = open(port, requestBytes({ path: '/v1/completions', headers: [['Expect', '100-continue'], ['Content-Length', '2']] }))
    await until('100 Continue', () => text().includes('100 Continue'))
    socket.write('{}')
    await until('the answer', () => text().includes('200 OK'))
    const seen = worker.requests.pop()
    t.equal(seen?.body.toString(), '{}')
    t.same(valuesOf(seen?.rawHeaders ?? [], 'expect'), [])
  })
})
