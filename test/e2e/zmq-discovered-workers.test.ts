// Workers that announce themselves over ZMQ, as processes of their own: checked before anything else, listed like all others, gone when silent, back when heard.
import { encode } from '@msgpack/msgpack'
import t from 'tap'
import type { Test } from 'tap'
import { Dealer } from 'zeromq'
import { P2pNcclSource } from '../../discovery/p2p-nccl.ts'
import { startSimulator } from '../../simulator/index.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { samplesOf } from '../helpers/samples.ts'
import { until } from '../helpers/until.ts'
import { run } from '../server/binary.ts'
import type { Running } from '../server/binary.ts'

t.setTimeout(90_000)

interface Shown {
  url: string
  worker_type: string
  state: string
  breaker: string
  sources: string[]
}

interface Child extends Running {
  readonly url: string
  /** Port of its KV connector. */
  readonly kvPort: number
}

async function simulator (t: Test, ...flags: string[]): Promise<Child> {
  const running = run(t, 'simulator', ...flags)
  const url = await until('a worker', () => /listening on (http:\S+)/.exec(running.stdout)?.[1], 20_000)
  const { port } = await (await fetch(`${url}/_simulator/kv`)).json() as { port: number }
  return Object.assign(running, { url, kvPort: port })
}

t.test('a fleet that announces itself beside one that is listed', async t => {
  const [listed] = await startWorkers(t, 1)
  const { url, router } = await startRouter(t, { workerUrls: [listed?.url ?? ''], vllmDiscoveryAddress: '127.0.0.1:0', vllmDiscoveryMaxWorkers: 6 })
  const source = router.discovery.find(one => one instanceof P2pNcclSource)
  const endpoint = source?.endpoint ?? ''
  const announced = async (): Promise<Shown[]> => {
    const { workers } = await (await fetch(`${url}/workers`)).json() as { workers: Shown[] }
    return workers.filter(worker => worker.sources.includes('zmq'))
  }
  const ready = async (count: number): Promise<Shown[] | undefined> => {
    const workers = (await announced()).filter(worker => worker.state === 'ready')
    return workers.length === count ? workers : undefined
  }

  const prefill = await simulator(t, '--port', '0', '--connector', 'p2p-nccl', '--role', 'prefill', '--register', endpoint)
  const decode = await simulator(t, '--port', '0', '--connector', 'p2p-nccl', '--role', 'decode', '--register', endpoint)
  t.same((await until('both are ready', () => ready(2), 20_000)).map(({ url, worker_type: role, breaker }) => [url, role, breaker]).sort(), [[prefill.url, 'prefill', 'closed'], [decode.url, 'decode', 'closed']].sort())
  t.match(await (await fetch(`${url}/readiness`)).json(), { sources: [{ name: 'static', ok: true }, { name: 'zmq', ok: true, detail: '2 registered' }] })
  t.match(router.workers.get(prefill.url)?.spec, { connector: 'p2p-nccl', zmqAddress: `127.0.0.1:${prefill.kvPort}` })
  t.equal(router.workers.get(listed?.url ?? '')?.state, 'ready', 'the listed one serves as before')

  // announced, but nobody answers there: never ready
  const stranger = new Dealer({ linger: 0 })
  t.teardown(() => stranger.close())
  stranger.connect(`tcp://${endpoint}`)
  await stranger.send(encode({ type: 'D', http_address: '127.0.0.1:9', zmq_address: '127.0.0.1:10' }))
  await stranger.send(encode({ type: 'D', http_address: decode.url.slice(7), zmq_address: '127.0.0.1:10' }))
  await stranger.send(Buffer.from('rubbish'))
  await until('it was asked in vain', () => router.workers.get('http://127.0.0.1:9')?.reason === 'connection refused')
  t.equal(router.workers.get('http://127.0.0.1:9')?.state, 'starting')

  // ranks of a MoRI-IO worker are workers of their own
  const ranks = await startSimulator({ ranks: 3, connector: 'moriio', role: 'prefill', kvTransferMode: 'push', tpSize: 2, register: endpoint })
  t.teardown(() => ranks.close())
  await until('its ranks are ready', () => ready(5))
  t.match(router.workers.get(`${ranks.url}@2`)?.spec, { connector: 'moriio', transferMode: 'WRITE', dpSize: 3, tpSize: 2, zmqAddress: /^host:127\.0\.0\.1,handshake:(\d+),notify:\1$/ })

  // a crash is silence
  prefill.child.kill('SIGKILL')
  await until('the dead one is gone', async () => (await announced()).every(worker => worker.url !== prefill.url), 15_000)
  t.equal(router.workers.get(prefill.url), undefined)
  await simulator(t, '--port', new URL(prefill.url).port, '--kv-port', String(prefill.kvPort), '--connector', 'p2p-nccl', '--role', 'prefill', '--register', endpoint)
  await until('it is back', () => router.workers.get(prefill.url)?.state === 'ready', 20_000)

  // the dead one and the stranger
  const samples = await until('both have expired', async () => {
    const now = await samplesOf(router)
    return now.sum('discovery_registrations_total', { source: 'zmq', result: 'expired' }) === 2 ? now : undefined
  }, 10_000)
  t.equal(samples.sum('discovery_registrations_total', { source: 'zmq', result: 'added' }), 5)
  t.ok(samples.sum('discovery_registrations_total', { source: 'zmq', result: 'renewed' }) >= 1)
  t.equal(samples.sum('discovery_registrations_refused_total', { source: 'zmq', reason: 'conflict' }), 1)
  t.equal(samples.sum('discovery_registrations_refused_total', { source: 'zmq', reason: 'malformed' }), 1)
  t.equal(samples.sum('discovery_registered_workers', { source: 'zmq', role: 'prefill' }), 4)
  t.equal(samples.sum('discovery_registered_workers', { source: 'zmq', role: 'decode' }), 1)
})
