// A client that is too slow with its head, or silent within its body, is cut; one that goes on sending is not, however long it takes.
import t from 'tap'
import { open } from '../helpers/raw-client.ts'
import { startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'
import { serve } from './binary.ts'

t.setTimeout(120_000)

t.test('slow clients', async t => {
  const [worker] = await startWorkers(t, 1)
  const running = await serve(t, '--worker-urls', worker?.url ?? '', '--client-header-timeout-secs', '0.6', '--client-body-idle-timeout-secs', '0.8')
  await until('ready', async () => (await fetch(`${running.url}/readiness`)).ok)
  const port = Number(new URL(running.url).port)
  const begun = performance.now()
  const post = 'POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n'

  async function cut (name: string, bytes: string, status: number, trickle?: string): Promise<void> {
    const { socket, text, closed } = open(port, Buffer.from(bytes))
    t.teardown(() => socket.destroy())
    const timer = trickle === undefined ? undefined : setInterval(() => socket.write(trickle), 100)
    await closed
    clearInterval(timer)
    t.match(text(), new RegExp(`^HTTP/1\\.1 ${status} `), `${name}: what it is told`)
    const took = performance.now() - begun
    t.ok(took > 500 && took < 4000, `${name}: cut after ${took} ms`)
  }

  /** Twenty bytes, one each 150 ms: far longer than the limit in all. */
  async function patient (): Promise<void> {
    const body = JSON.stringify({ model: 'simulated', prompt: 'a', max_tokens: 1 }).padEnd(60, ' ')
    const { socket, text, closed } = open(port, Buffer.from(`${post}connection: close\r\ncontent-length: ${body.length}\r\n\r\n${body.slice(0, 45)}`))
    t.teardown(() => socket.destroy())
    let at = 45
    const timer = setInterval(() => {
      socket.write(body.slice(at, at + 1))
      if (++at === body.length) clearInterval(timer)
    }, 150)
    await closed
    t.match(text(), /^HTTP\/1\.1 200 /, 'one that goes on is served')
  }

  await Promise.all([
    cut('a connection on which nothing comes', '', 408),
    cut('a head that never ends', post, 408),
    cut('a head byte by byte', post, 408, 'x: y\r\n'),
    cut('silence within a body', `${post}content-length: 100\r\n\r\n{`, 408),
    cut('silence within a chunked body', `${post}transfer-encoding: chunked\r\n\r\n1\r\n{\r\n`, 408),
    patient()
  ])
  t.equal((await fetch(`${running.url}/readiness`)).status, 200, 'and everybody else is served')
})
