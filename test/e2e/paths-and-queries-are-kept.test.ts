// The path and the query string reach the worker as the client wrote them, however they are encoded.
import t from 'tap'
import { send } from '../helpers/raw-client.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'

const queries = [
  '', '?', '?a=1', '?a=1&a=2&&b', '?q=%20+%2B%26&x=%C3%A4&y=%E4', '?%', '?a=%zz', '?a?b?c', '?a[]=1&{b}|c^`"<>', '?a=%2e%2e/../..', '?json={"a":1.0}',
  '?a=%00', '?stream=true#frag'
]
const paths = [
  '/v1/files/a%20b', '/v1/files/%C3%A4%e2%82%ac', '/v1/files/a%2Fb%2fc', '/v1/files/a..b', '/v1/files/...', '/v1/files/.hidden',
  '/v1//files', '//double', '/v1/files/', '/v1/{a}|b^c`"<>', '/v1/a\\b', '/v1/~user;p=1,2@x:y!$&\'()*+=', '/v1/models/org%2Fmodel', '/v1/models/org/model',
  '/v1/responses/resp_1/input_items', '/V1/Chat/Completions', '/v1/chat/completions/', '/%76%31/chat/completions', '/v1/files/%25', '/v1/files/' + 'long'.repeat(500)
]

t.test('request targets', async t => {
  const worker = await startRawWorker(t)
  const below = await startRawWorker(t)
  below.path = '/base/path'
  const { port } = await startRouter(t, { workerUrls: [worker.url] })
  const { port: nested } = await startRouter(t, { workerUrls: [below.url + '/base/path'] })

  for (const path of ['/v1/chat/completions', '/v1/responses', '/tokenize', '/v1/files', '/v1/responses/resp_1']) {
    for (const query of queries) {
      await send(port, { path: path + query, body: '{}' })
      t.equal(worker.requests.pop()?.url, path + query)
    }
  }
  for (const path of paths) {
    for (const method of ['POST', 'GET', 'DELETE']) {
      await send(port, { path: path + '?a=%20', method })
      t.equal(worker.requests.pop()?.url, path + '?a=%20')
    }
  }
  t.equal(worker.requests.length, 0)

  await t.test('a worker below a path', async t => {
    for (const path of ['/v1/chat/completions?a=../..', '/tokenize?', '/v1/responses/resp_1?x=%2f..', '/v1/files/a..b/...', '//x']) {
      await send(nested, { path, body: '{}' })
      t.equal(below.requests.pop()?.url, '/base/path' + path)
    }
    for (const path of ['/../x', '/v1/files/..', '/v1/%2e%2E/x', '/v1/..%2fx', '/v1/files\\..\\..\\x', '/v1/.%2e?a']) {
      const { status } = await send(nested, { path, body: '{}' })
      t.same([status, below.requests.length], [400, 0], `${path} may lead out of the worker`)
    }
  })
})

t.test('targets that no URL has, or that another URL has, too', async t => {
  const worker = await startRawWorker(t)
  const { port } = await startRouter(t, { workerUrls: [worker.url] })
  for (const path of ['/v1/files/%E4', '/v1/files/%', '/v1/files/%zz', '/v1/fil\xe9', '/v1/files/%2e%2e/x', '/v1/files/../x', '/v1/files/./x', '/v1/files/a/../../b']) t.equal((await send(port, { path })).status, 400)
  t.equal(worker.requests.length, 0)
})
