// When the client goes, in whatever phase its request is, the worker's connection is closed within 100 ms and no lease stays.
import type { ServerResponse } from 'node:http'
import t from 'tap'
import type { Test } from 'tap'
import { open, requestBytes } from '../helpers/raw-client.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import type { RawWorker } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

const paths = ['/v1/chat/completions', '/v1/responses', '/tokenize', '/v1/responses/resp_1', '/any/path']
const post = (path: string): Buffer => requestBytes({ path, headers: [['Content-Type', 'application/json']], body: '{"stream":true}' }, 'keep-alive')

t.test('a client that leaves', async t => {
  const warnings: string[] = []
  const warn = ({ message }: Error): void => { warnings.push(message) }
  process.on('warning', warn)
  t.teardown(() => process.off('warning', warn))
  let held: ServerResponse[] = []
  const worker = await startRawWorker(t)
  const { port, router } = await startRouter(t, { workerUrls: [worker.url] })
  let heads = 0
  router.calls.on('head', () => { heads++ })
  const inFlight = (): number => router.workers.list().reduce((sum, { inFlight }) => sum + inFlight, 0)
  const hang: RawWorker['answer'] = (_request, response) => { held.push(response) }
  const begin = (type: string): RawWorker['answer'] => (_request, response) => {
    held.push(response)
    response.writeHead(200, { 'content-type': type })
    response.write('data: 1\n\n')
  }

  /** Sends, waits until the worker holds `count` requests and `ready` says so, leaves, and measures how soon the worker knows. */
  async function leave (t: Test, name: string, bytes: Buffer, ready: (text: string) => boolean, count = 1): Promise<void> {
    held = []
    worker.aborts = 0
    const { socket, text } = open(port, bytes)
    await until(`${name}: under way`, () => held.length === count && ready(text()))
    t.equal(inFlight(), count, `${name}: one lease a request`)
    const left = performance.now()
    socket.destroy()
    await until(`${name}: the worker knows`, () => worker.aborts === count)
    t.ok(performance.now() - left < 100, `${name}: at once`)
    await until(`${name}: no lease`, () => inFlight() === 0)
  }

  t.test('before the head, and within the body', async t => {
    for (const path of paths) {
      worker.answer = hang
      await leave(t, `${path} waiting`, post(path), () => true)
      for (const type of ['text/event-stream', 'application/json']) {
        worker.answer = begin(type)
        await leave(t, `${path} ${type}`, post(path), text => text.includes('data: 1'))
      }
      worker.answer = (_request, response) => {
        held.push(response)
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.flushHeaders()
      }
      heads = 0
      await leave(t, `${path} after the head, which the router holds back`, post(path), text => heads === 1 && text === '')
    }
  })

  t.test('while it reads nothing', async t => {
    for (const path of paths) {
      let paused = false
      worker.answer = (_request, response) => {
        held.push(response)
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        const more = (): void => {
          while (!response.destroyed) if (!response.write(Buffer.alloc(65_536, 'x'))) break
          paused = true
          response.once('drain', more)
        }
        more()
      }
      held = []
      worker.aborts = 0
      const { socket } = open(port, post(path))
      socket.pause()
      // nothing moves any more: neither the worker's buffer nor the router's shrinks
      let before = -1
      await until('all is full', async () => {
        const now = held[0]?.socket?.bytesWritten ?? -1
        const still = paused && now === before
        before = now
        if (!still) await new Promise(resolve => setTimeout(resolve, 20))
        return still
      })
      const left = performance.now()
      socket.resetAndDestroy()
      await until('the worker knows', () => worker.aborts === 1)
      t.ok(performance.now() - left < 100, path)
      await until('no lease', () => inFlight() === 0)
    }
  })

  t.test('while it sends its body', async t => {
    worker.answer = hang
    held = []
    const before = worker.requests.length
    for (const path of paths) {
      const { socket } = open(port, post(path).subarray(0, -3))
      await until('connected', () => !socket.connecting)
      socket.destroy()
    }
    const { socket, text } = open(port, requestBytes({ method: 'GET', path: '/liveness' }))
    await until('the router still answers', () => text().includes('200 OK'))
    socket.destroy()
    t.same([worker.requests.length - before, inFlight()], [0, 0], 'no worker heard of them')
  })

  t.test('with several requests on its connection', async t => {
    for (const path of paths) {
      worker.answer = hang
      await leave(t, `${path} pipelined`, Buffer.concat(Array.from({ length: 12 }, () => post(path))), () => true, 12)
      worker.answer = begin('text/event-stream')
      await leave(t, `${path} pipelined, streaming`, Buffer.concat([post(path), post(path)]), text => text.includes('data: 1'), 2)
    }
  })

  t.test('is counted once', async t => {
    let settled = 0
    const count = (): void => { settled++ }
    router.calls.on('settled', count)
    worker.answer = hang
    for (const path of paths) await leave(t, `${path} counted`, post(path), () => true)
    router.calls.off('settled', count)
    t.equal(settled, paths.length, 'each settled once')
    t.same(warnings, [])
  })
})
