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
    ['http://[::1]:8000@0', 'http://[::1]:8000', 0],
    ['http://w-0.pool_1.svc.cluster.local:8000', 'http://w-0.pool_1.svc.cluster.local:8000', undefined],
    ['http://[fe80::a:1]/~a;b=c/%41/', 'http://[fe80::a:1]/~a;b=c/%41', undefined],
    ['http://169.254.169.254', 'http://169.254.169.254', undefined],
    [`http://h/${'a'.repeat(2000)}`, `http://h/${'a'.repeat(2000)}`, undefined]
  ] as const) t.same(parseWorkerUrl(text), { url, rank }, text)
})

t.test('refused: what is written is not what parsers of URLs make of it', async t => {
  for (const text of [
    'http:///h', 'http:/h', 'http:h', 'http://', 'http://:80', 'http://h:', 'http://h:0', 'http://h:65536', 'http://h:+1', 'http://h:1:2', 'ftp://h', 'file:///etc/passwd',
    'javascript:alert(1)', 'ws://h', 'unix:/var/run/x', '//h', 'http:\\\\h', 'http://h\\@i', 'http://h\\x', 'http://a%2eb', 'http://h%00', 'http://\u2025', 'http://h\u3002i',
    'http://m\u00fcnchen', 'http://h/\u00e9', 'http://h/\0', 'http://h/a\tb', 'http://h\r\nX-A: b', 'http://h/\x7f', 'http://h/\ud800', 'http://h/<x>', 'http://h/"', 'http://h/{}',
    'http://h/../x', 'http://h/..', 'http://h/./x', 'http://h/%2e%2e/x', 'http://h/a%2f..', 'http://h/%00', 'http://h/%0d%0a', 'http://h/%zz', 'http://h/%', 'http://[::1', 'http://[h]',
    'http://[::1%25eth0]', 'http://1.2.3.4.5', 'http://h@1@2', 'http://h@-1', 'http://h@100000', 'http://h@1e3', `http://${'a'.repeat(2100)}`, `http://h/${'a'.repeat(2048)}`
  ]) t.throws(() => parseWorkerUrl(text), Error, JSON.stringify(text).slice(0, 60))
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
