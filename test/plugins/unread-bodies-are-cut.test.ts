// A client that is answered before its body has come, whoever refuses it, does not keep its connection by never ending the body.
import t from 'tap'
import { open } from '../helpers/raw-client.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

const head = (method: string, path: string): Buffer => Buffer.from(`${method} ${path} HTTP/1.1\r\nhost: router\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{`)

t.test('cut', async t => {
  const worker = await startRawWorker(t)
  const { port, router } = await startRouter(t, { workerUrls: [worker.url], maxConcurrentRequests: 1, queueSize: 0, clientBodyIdleTimeoutSecs: 0.2 })
  // takes the only place, and is silent for longer than it may
  const first = open(port, head('POST', '/v1/chat/completions'))
  await until('the place is taken', () => router.admission.inFlight === 1)
  const refused = open(port, head('POST', '/v1/chat/completions'))
  const unknown = open(port, head('PUT', '/workers'))
  t.teardown(() => { for (const { socket } of [first, refused, unknown]) socket.destroy() })
  await Promise.all([first.closed, refused.closed, unknown.closed])
  t.match(first.text(), /^HTTP\/1\.1 408 /)
  t.match(refused.text(), /^HTTP\/1\.1 429 /)
  t.match(unknown.text(), /^HTTP\/1\.1 405 /)
})
