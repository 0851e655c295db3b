// The URL of a worker, as people write it.
import t from 'tap'
import { parseWorkerUrl } from '../../core/worker-url.ts'

t.test('taken apart', async t => {
  for (const [text, url, rank] of [
    ['http://h:8000', 'http://h:8000', undefined],
    [' http://h:8000/ ', 'http://h:8000', undefined],
    ['https://h/base//', 'https://h/base', undefined],
    ['http://H:80/x', 'http://H:80/x', undefined],
    ['http://h:8000@3', 'http://h:8000', 3],
    ['http://h:8000/base@12', 'http://h:8000/base', 12],
    ['http://[::1]:8000@0', 'http://[::1]:8000', 0]
  ] as const) t.same(parseWorkerUrl(text), { url, rank }, text)
})

t.test('refused, and no secret told', async t => {
  for (const [text, why] of [
    ['', /not a URL/], ['h:8000', /not a URL/], ['grpc://h:1', /gRPC/], ['http://', /not a URL/], ['http://h:99999', /not a URL/],
    ['http://u:secret@h:1', /credentials/], ['http://u:secret@h:1@2', /credentials/], ['http://u:secret@7', /not a URL/],
    ['http://h?a=secret', /query/], ['http://h#secret', /fragment/], ['http://h:1,http://secret:1', /not a URL|separated/]
  ] as const) {
    t.throws(() => parseWorkerUrl(text), { message: why }, text)
    try { parseWorkerUrl(text) } catch (error) { t.notMatch(String(error), /secret/) }
  }
})
