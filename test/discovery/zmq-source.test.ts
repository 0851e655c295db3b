// The ZMQ source over real sockets: who announces itself is stated, rubbish is counted, floods are bounded, and nothing stays open.
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { encode } from '@msgpack/msgpack'
import t from 'tap'
import type { Test } from 'tap'
import { Dealer } from 'zeromq'
import type { WorkerSpec } from '../../core/worker.ts'
import { P2pNcclSource } from '../../discovery/p2p-nccl.ts'
import type { P2pNcclOptions } from '../../discovery/p2p-nccl.ts'
import { until } from '../helpers/until.ts'

interface Running {
  readonly source: P2pNcclSource
  readonly urls: () => string[]
  readonly refusals: string[]
  readonly lines: string[]
}

async function start (t: Test, options: Partial<P2pNcclOptions> = {}): Promise<Running> {
  let specs: readonly WorkerSpec[] = []
  const lines: string[] = []
  const refusals: string[] = []
  const write = (_: object, message: string): void => { lines.push(message) }
  const source = new P2pNcclSource({ address: '127.0.0.1:0', log: { info: write, warn: write }, ...options })
  source.registrations.on('refused', reason => { refusals.push(reason) })
  t.equal(source.health().ok, false, 'not before it listens')
  await source.start(list => { specs = list })
  t.teardown(() => source.stop())
  return { source, urls: () => specs.map(spec => spec.url), refusals, lines }
}

function peer (t: Test, { source }: Running, routingId?: string): Dealer {
  const socket = new Dealer({ linger: 0, ...(routingId === undefined ? {} : { routingId }) })
  t.teardown(() => socket.close())
  socket.connect(`tcp://${source.endpoint}`)
  return socket
}

const worker = (number: number): object => ({ type: 'P', http_address: `10.0.0.${number}:8000`, zmq_address: `10.0.0.${number}:21001` })

t.test('workers announce themselves and fall silent', async t => {
  const running = await start(t)
  const { source, urls } = running
  const one = peer(t, running, '10.0.0.1:21001')
  const two = peer(t, running)
  await one.send(encode(worker(1)))
  await until('the first', () => urls().length === 1)
  await two.send(encode(worker(2)))
  await until('both', () => urls().length === 2)
  t.same(source.health(), { ok: true, detail: '2 registered' })
  const again = setInterval(() => { one.send(encode(worker(1))).catch(() => {}) }, 1000)
  t.teardown(() => clearInterval(again))
  const silentSince = performance.now()
  await until('the silent one is gone', () => urls().length === 1, 10_000)
  t.ok(performance.now() - silentSince > 4500, 'after 5 s')
  t.same(urls(), ['http://10.0.0.1:8000'])
  await two.send(encode(worker(2)))
  await until('it is back', () => urls().length === 2)
})

t.test('a worker that comes back under its identity while its old connection still stands', async t => {
  const running = await start(t)
  await peer(t, running, 'w').send(encode(worker(1)))
  await until('the first', () => running.urls().length === 1)
  await peer(t, running, 'w').send(encode({ ...worker(1), http_address: '10.0.0.1:9000' }))
  await until('the second', () => running.urls()[0] === 'http://10.0.0.1:9000')
})

t.test('rubbish', async t => {
  const running = await start(t)
  const { urls, refusals } = running
  const socket = peer(t, running)
  const rubbish: Array<Buffer | Uint8Array | Array<Buffer | Uint8Array | string>> = [
    Buffer.alloc(0), Buffer.from('hello'), Buffer.from([0xc1]), Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff]), Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff]),
    Buffer.alloc(4000, 0x91), encode({ type: 'P' }), encode([worker(1)]), ['', encode(worker(1))], [encode(worker(1)), encode(worker(1))],
    encode({ ...worker(1), http_address: 'x'.repeat(2000) }), Array.from({ length: 500 }, () => 'x')
  ]
  for (const message of rubbish) await socket.send(message)
  await until('all counted', () => refusals.length === rubbish.length)
  t.ok(refusals.every(reason => reason === 'malformed'))
  t.same(urls(), [])

  // who sends too much at once is cut off, and comes again by itself
  await socket.send(Buffer.alloc(4097))
  await socket.send(Array.from({ length: 5000 }, () => 'x'))
  await until('the next is heard', async () => {
    await socket.send(encode(worker(1)))
    return urls().length === 1
  })
  t.equal(refusals.length, rubbish.length, 'the long one was not even read')
})

t.test('a flood', async t => {
  const running = await start(t, { maxWorkers: 50 })
  const { source, urls, refusals, lines } = running
  const honest = peer(t, running)
  await honest.send(encode({ ...worker(1), http_address: '10.9.9.9:1', zmq_address: '10.9.9.9:2' }))
  await until('the honest one', () => urls().length === 1)
  const flood = peer(t, running)
  const sent = 3000
  for (let number = 0; number < sent; number++) await flood.send(encode({ type: 'D', http_address: `h${number}:1`, zmq_address: `z${number}:1` }))
  const startedAt = performance.now()
  await honest.send(encode({ type: 'P', http_address: '10.9.9.9:2', zmq_address: '10.9.9.9:2' }))
  await until('the honest one is heard', () => urls().includes('http://10.9.9.9:2'))
  t.comment(`heard after ${Math.round(performance.now() - startedAt)} ms`)
  await until('all were read', () => refusals.length === sent - 49, 20_000)
  t.ok(refusals.every(reason => reason === 'full'))
  t.equal(urls().length, 50)
  t.same([...source.registrations.known()], [['prefill', 1], ['decode', 49]])
  t.ok(lines.length <= 20, `${lines.length} lines`)
})

t.test('a message that never ends', async t => {
  const { source } = await start(t)
  const ready = Buffer.from('\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0', 'latin1')
  const greeting = Buffer.alloc(64)
  greeting.write('\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL', 'latin1')
  const [, port] = /:(\d+)$/.exec(source.endpoint ?? '') ?? []
  const socket = connect(Number(port), '127.0.0.1')
  const closed = new Promise<void>(resolve => { socket.once('close', () => resolve()) })
  socket.on('error', () => {})
  socket.write(Buffer.concat([greeting, Buffer.from([4, ready.length]), ready]))
  await once(socket, 'data')
  // frames of no length, each with another to come
  const frames = Buffer.alloc(64 * 1024, Buffer.from([1, 0]))
  const before = process.memoryUsage().rss
  const flood = (): void => { while (!socket.destroyed && socket.write(frames)); }
  socket.on('drain', flood)
  flood()
  await closed
  t.ok(process.memoryUsage().rss - before < 100e6)
  t.equal(source.health().ok, true)
})

t.test('an address that cannot be listened on', async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.teardown(() => { taken.close() })
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  for (const [address, why] of [
    [`127.0.0.1:${port}`, 'it is in use by another process'],
    [`localhost:${port}`, 'it is in use by another process'],
    ['192.0.2.1:0', 'it is no address of this machine'],
    ['nowhere.invalid:5555', 'the host name is not known']
  ] as const) {
    const source = new P2pNcclSource({ address })
    await t.rejects(source.start(() => {}), { message: `--vllm-discovery-address ${address} cannot be listened on: ${why}` })
    t.equal(source.health().ok, false)
    await source.stop()
  }
  t.throws(() => new P2pNcclSource({ address: 'nonsense' }), RangeError)
  t.throws(() => new P2pNcclSource({ address: '127.0.0.1:0', allow: ['x'] }), RangeError)
})

t.test('the port is free again after the end, and the source can begin anew', async t => {
  const running = await start(t)
  await peer(t, running).send(encode(worker(1)))
  await until('one', () => running.urls().length === 1)
  const [, port] = /:(\d+)$/.exec(running.source.endpoint ?? '') ?? []
  await running.source.stop()
  t.equal(running.source.health().ok, false)
  const again = await start(t, { address: `127.0.0.1:${port}` })
  t.same([...again.source.registrations.known().values()], [0, 0])
  await running.source.stop()
})
