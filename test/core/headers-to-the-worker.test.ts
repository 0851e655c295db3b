// What a worker gets of a client's headers, and what the router says itself.
import t from 'tap'
import { headersForWorker } from '../../core/headers.ts'

const own = { requestId: 'r-1', rank: undefined, authorization: undefined }
const id = ['x-request-id', 'r-1']

t.test('order, case and repetition stay', async t => {
  const raw = ['X-B', '1', 'x-a', '2', 'X-b', '3', 'Accept-ENCODING', 'gzip, br', 'Cookie', 'a=1', 'Cookie', 'b=2', 'x-empty', '']
  t.same(headersForWorker(raw, own), [...raw, ...id])
})

t.test('headers of the connection and those it lists stay behind', async t => {
  const raw = [
    'Host', 'router', 'Connection', 'close, X-Hop', 'CONNECTION', 'x-other-hop ,keep-alive', 'Keep-Alive', 'timeout=5', 'Proxy-Connection', 'close',
    'TE', 'trailers', 'Trailer', 'x', 'Transfer-Encoding', 'chunked', 'Upgrade', 'h2c', 'HTTP2-Settings', 'x', 'Proxy-Authorization', 'Basic x',
    'x-hop', '1', 'X-OTHER-HOP', '2', 'Content-Length', '3', 'Expect', '100-continue', 'x-vllm-router-explain', '1', 'x-stays', '1'
  ]
  t.same(headersForWorker(raw, own), ['x-stays', '1', ...id])
})

t.test('the id is the router\'s, once', async t => {
  t.same(headersForWorker(['X-Request-ID', 'client', 'x-request-id', 'client too'], own), id)
})

t.test('the rank is exactly one value', async t => {
  const ranked = { ...own, rank: '3' }
  t.same(headersForWorker(['X-Data-Parallel-Rank', '1', 'x-data-parallel-rank', '2'], ranked), [...id, 'X-data-parallel-rank', '3'])
  t.same(headersForWorker(['X-Data-Parallel-Rank', '1'], own), ['X-Data-Parallel-Rank', '1', ...id], 'left to the client where the router has none')
})

t.test('the client\'s own authorization goes before the router\'s', async t => {
  const authorized = { ...own, authorization: 'Bearer key' }
  t.same(headersForWorker([], authorized), [...id, 'Authorization', 'Bearer key'])
  t.same(headersForWorker(['AUTHORIZATION', 'Bearer own'], authorized), ['AUTHORIZATION', 'Bearer own', ...id])
  t.same(headersForWorker(['AUTHORIZATION', 'Bearer own'], own), ['AUTHORIZATION', 'Bearer own', ...id])
})
