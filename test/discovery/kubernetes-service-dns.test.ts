// Workers from the DNS records of Services: families, named ports, names as people write them, and failures that change nothing.
import t from 'tap'
import type { Test } from 'tap'
import type { WorkerSpec } from '../../core/worker.ts'
import { candidates, searchList, serviceDnsSource } from '../../discovery/kubernetes/service-dns.ts'
import type { ServiceDnsOptions } from '../../discovery/kubernetes/service-dns.ts'
import { ManualClock } from '../helpers/manual-clock.ts'
import { until } from '../helpers/until.ts'
import { startDnsServer } from './dns-server.ts'
import type { DnsServer, Records } from './dns-server.ts'

interface Setup {
  readonly dns: DnsServer
  readonly log: string[]
  readonly source: ReturnType<typeof serviceDnsSource>
  stated: readonly WorkerSpec[]
  rounds: number
  urls (): string[]
  /** The next look has been taken. */
  next (): Promise<void>
}

async function setup (t: Test, records: Records, options: Partial<ServiceDnsOptions> = {}): Promise<Setup> {
  const dns = await startDnsServer(t, records)
  const clock = new ManualClock()
  const log: string[] = []
  const it: Setup = {
    dns,
    log,
    source: serviceDnsSource({
      services: ['vllm.models.svc.cluster.local'],
      namespaces: [],
      port: '8000',
      ranks: 1,
      dnsServers: [dns.address],
      resolvConf: '',
      clock,
      random: () => 0.5,
      log: { info: (_details, message) => { log.push(`info ${message}`) }, warn: (_details, message) => { log.push(`warn ${message}`) } },
      ...options
    }),
    stated: [],
    rounds: 0,
    urls: () => it.stated.map(({ url }) => url).sort(),
    async next () {
      const before = it.rounds
      await clock.advance(5000)
      await until('another look', () => it.rounds > before, 15_000)
    }
  }
  t.teardown(() => it.source.stop())
  await it.source.start(specs => {
    it.stated = specs
    it.rounds++
  })
  await until('a first look', () => it.rounds > 0, 15_000)
  return it
}

const name = 'vllm.models.svc.cluster.local'

t.test('addresses come and go', async t => {
  const { dns, urls, next, source, ...it } = await setup(t, { [name]: { A: ['10.0.0.1', '10.0.0.2'] } })
  t.same(urls(), ['http://10.0.0.1:8000', 'http://10.0.0.2:8000'])
  t.match(source.health(), { ok: true, detail: '2 addresses found' })
  dns.records = { [name]: { A: ['10.0.0.2', '10.0.0.3'] } }
  await next()
  t.same(urls(), ['http://10.0.0.2:8000', 'http://10.0.0.3:8000'])
  t.same(it.log, [])
})

t.test('IPv6 where there is no IPv4, and one worker a pod where there are both', async t => {
  const { dns, urls, next } = await setup(t, { [name]: { AAAA: ['fd00::1', 'fd00::2'] } })
  t.same(urls(), ['http://[fd00::1]:8000', 'http://[fd00::2]:8000'])
  dns.records = { [name]: { A: ['10.0.0.1'], AAAA: ['fd00::1'] } }
  await next()
  t.same(urls(), ['http://10.0.0.1:8000'])
})

t.test('a named port has SRV records', async t => {
  const { urls } = await setup(t, {
    [`_http._tcp.${name}`]: { SRV: [`a.${name}:8001`, `b.${name}:8002`] }, [`a.${name}`]: { A: ['10.0.0.1'] }, [`b.${name}`]: { AAAA: ['fd00::2'] }
  }, { port: 'http', ranks: 2 })
  t.same(urls(), ['http://10.0.0.1:8001', 'http://[fd00::2]:8002'])
})

t.test('failures keep the last list, and are told once', async t => {
  const { dns, urls, next, source, log } = await setup(t, { [name]: { A: ['10.0.0.1'] } })
  dns.failure = 2
  await next()
  await next()
  t.same(urls(), ['http://10.0.0.1:8000'])
  t.match(source.health(), { ok: false, detail: `cannot look up ${name}: ESERVFAIL; the last known list stays in force` })
  t.ok(Number(source.health().staleSecs) >= 10)
  t.same(log, [`warn kubernetes: cannot look up ${name}: ESERVFAIL; the last known list stays in force`])
  dns.failure = 0
  await next()
  t.equal(source.health().ok, true)
  t.same(log.slice(1), [`info kubernetes: ${name} can be looked up again`])
})

t.test('a server that fails for one family does not make the other one right', async t => {
  const { dns, urls, next } = await setup(t, { [name]: { A: ['10.0.0.1'], AAAA: ['fd00::1'] } })
  dns.failure = 5
  await next()
  t.same(urls(), ['http://10.0.0.1:8000'])
})

t.test('a name that is not there is a Service without workers, when it stays so', async t => {
  const { dns, urls, next } = await setup(t, { [name]: { A: ['10.0.0.1'] } })
  dns.records = {}
  await next()
  t.same(urls(), ['http://10.0.0.1:8000'], 'once may be chance')
  await next()
  t.same(urls(), [])
  dns.records = { [name]: { A: ['10.0.0.4'] } }
  await next()
  t.same(urls(), ['http://10.0.0.4:8000'])
})

t.test('names as people write them', async t => {
  const { urls, dns } = await setup(t, { 'vllm.models.svc.cluster.local': { A: ['10.0.0.1'] }, 'vllm.team.svc.cluster.local': { A: ['10.0.0.2'] } }, {
    services: ['vllm'], namespaces: ['models', 'team'], resolvConf: 'nameserver 10.96.0.10\nsearch here.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n'
  })
  t.same(urls(), ['http://10.0.0.1:8000', 'http://10.0.0.2:8000'])
  t.ok(dns.asked.includes('A vllm.models.svc.here.svc.cluster.local'), 'the search list in its order')

  const list = searchList('search a.example.\nsearch b.example c.example\noptions timeout:1 ndots:2\n')
  t.same(list, { domains: ['b.example', 'c.example'], dots: 2 })
  t.same(candidates('w', list), ['w.b.example', 'w.c.example', 'w'])
  t.same(candidates('w.x.y', list), ['w.x.y', 'w.x.y.b.example', 'w.x.y.c.example'])
  t.same(candidates('w.x.', list), ['w.x'])
  t.same(candidates('w', searchList('')), ['w'])
})

t.test('a server that says nothing: start does not wait, stop ends it', async t => {
  const dns = await startDnsServer(t)
  dns.silent = true
  let stated = 0
  const source = serviceDnsSource({
    services: [name], namespaces: [], port: '8000', ranks: 1, dnsServers: [dns.address], log: { info () {}, warn () {} }
  })
  await source.start(() => { stated++ })
  await until('it was asked', () => dns.asked.length > 0)
  await source.stop()
  await new Promise(resolve => setImmediate(resolve))
  t.equal(stated, 0)
})
