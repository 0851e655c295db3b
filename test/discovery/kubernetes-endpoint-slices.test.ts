// Which workers EndpointSlices name: conditions, ports, families, and slices that overlap.
import t from 'tap'
import { readSlice, sliceReadings } from '../../discovery/kubernetes/endpoint-slices.ts'
import type { EndpointSlice } from '../../discovery/kubernetes/objects.ts'

const rules = { role: 'regular', port: '80', ranks: 1 } as const

type Endpoints = NonNullable<EndpointSlice['endpoints']>

function endpoint (address: string, uid: string | undefined, conditions: Endpoints[number]['conditions'] = { ready: true, serving: true, terminating: false }): Endpoints[number] {
  return { addresses: [address], conditions, nodeName: 'node-1', ...(uid === undefined ? {} : { targetRef: { kind: 'Pod', name: `pod-${uid}`, uid } }) }
}

function slice (name: string, endpoints: Endpoints, changes: { family?: string, ports?: EndpointSlice['ports'], labels?: Record<string, string>, annotations?: Record<string, string> } = {}): EndpointSlice {
  return {
    metadata: { uid: name, name, namespace: 'models', labels: { 'kubernetes.io/service-name': 'vllm', ...changes.labels }, annotations: changes.annotations ?? {} },
    addressType: changes.family ?? 'IPv4',
    ports: changes.ports ?? [{ name: 'http', port: 8000 }],
    endpoints
  }
}

/** URLs of workers, those that leave in brackets. */
function urls (slices: readonly EndpointSlice[], port: string = rules.port): string[] {
  return sliceReadings(slices.map(readSlice), { ...rules, port }).flatMap(({ spec }) => spec === undefined ? [] : [spec.leaving === true ? `(${spec.url})` : spec.url])
}

function problems (slices: readonly EndpointSlice[], port: string = rules.port): string[] {
  return sliceReadings(slices.map(readSlice), { ...rules, port }).flatMap(({ name, problems }) => problems.map(problem => `${name}: ${problem}`))
}

t.test('conditions', async t => {
  const cases: ReadonlyArray<[conditions: Endpoints[number]['conditions'], url: string[]]> = [
    [{ ready: true, serving: true, terminating: false }, ['http://10.0.0.1:8000']],
    [{}, ['http://10.0.0.1:8000']],
    [undefined, ['http://10.0.0.1:8000']],
    [{ ready: true }, ['http://10.0.0.1:8000']],
    [{ ready: false, serving: false, terminating: false }, []],
    [{ ready: false }, []],
    [{ ready: false, serving: true, terminating: true }, ['(http://10.0.0.1:8000)']],
    [{ ready: false, serving: false, terminating: true }, ['(http://10.0.0.1:8000)']],
    // of a Service with publishNotReadyAddresses
    [{ ready: true, serving: false, terminating: false }, []],
    [{ ready: true, serving: true, terminating: true }, ['(http://10.0.0.1:8000)']]
  ]
  for (const [conditions, expected] of cases) {
    const { conditions: _, ...bare } = endpoint('10.0.0.1', 'a')
    t.same(urls([slice('s', [conditions === undefined ? bare : { ...bare, conditions }])]), expected, JSON.stringify(conditions))
  }
})

t.test('ports', async t => {
  const two = { ports: [{ name: 'http', port: 8000 }, { name: 'metrics', port: 9000 }] }
  const at = [endpoint('10.0.0.1', 'a')]
  t.same(urls([slice('s', at)], '80'), ['http://10.0.0.1:8000'], 'the only port, where another number is the default')
  t.same(urls([slice('s', at)], 'http'), ['http://10.0.0.1:8000'])
  t.same(urls([slice('s', at, two)], 'metrics'), ['http://10.0.0.1:9000'])
  t.same(urls([slice('s', at, two)], '9000'), ['http://10.0.0.1:9000'])
  t.same(urls([slice('s', at, two)], '7000'), ['http://10.0.0.1:7000'], 'of several none can be guessed')
  t.same(urls([slice('s', at, { ports: [] })], '7000'), ['http://10.0.0.1:7000'])
  t.same(urls([slice('s', at, { ...two, annotations: { 'vllm.ai/port': 'metrics' } })], 'http'), ['http://10.0.0.1:9000'])
  t.same(urls([slice('s', at)], 'none'), [])
  t.same(problems([slice('s', at)], 'none'), ['models/s: no port of the slice is named "none", so it has no workers'])
  t.same(problems([slice('s', [])], 'none'), [], 'a slice without endpoints has no ports')
})

t.test('a pod of two families is one worker', async t => {
  const four = slice('s4', [endpoint('10.0.0.1', 'a'), endpoint('10.0.0.2', 'b')])
  const six = slice('s6', [endpoint('fd00::1', 'a'), endpoint('fd00::2', 'b'), endpoint('fd00::3', 'c')], { family: 'IPv6' })
  t.same(urls([six, four]), ['http://10.0.0.1:8000', 'http://10.0.0.2:8000'], 'one that is only in the other family for a moment is none yet')
  t.same(urls([six]), ['http://[fd00::1]:8000', 'http://[fd00::2]:8000', 'http://[fd00::3]:8000'])
  t.same(urls([six, slice('s4', [])]).length, 3, 'a family without endpoints is none')
  t.same(urls([slice('f', [endpoint('w.example', undefined)], { family: 'FQDN' })]), ['http://w.example:8000'])
})

t.test('slices that overlap while they are rearranged', async t => {
  t.same(urls([slice('one', [endpoint('10.0.0.1', 'a')]), slice('two', [endpoint('10.0.0.1', 'a')])]), ['http://10.0.0.1:8000'])
  const leaving = endpoint('10.0.0.1', 'a', { ready: false, serving: true, terminating: true })
  t.same(urls([slice('one', [leaving]), slice('two', [endpoint('10.0.0.1', 'a')])]), ['http://10.0.0.1:8000'])
  t.same(urls([slice('one', [endpoint('10.0.0.1', 'a')]), slice('two', [leaving])]), ['http://10.0.0.1:8000'])
  t.same(urls([slice('one', [endpoint('10.0.0.1', undefined)]), slice('two', [endpoint('10.0.0.1', undefined)])]), ['http://10.0.0.1:8000'], 'endpoints that are no pods')
})

t.test('what the slice says about its workers', async t => {
  const [reading] = sliceReadings([readSlice(slice('s', [endpoint('10.0.0.1', 'a')], { labels: { 'vllm.ai/model': 'llama', 'vllm.ai/data-parallel-size': '2' } }))], rules)
  t.strictSame(reading, {
    key: 'a',
    name: 'models/pod-a',
    problems: [],
    spec: { url: 'http://10.0.0.1:8000', role: 'regular', ranks: 2, model: 'llama', labels: { namespace: 'models', service: 'vllm', pod: 'pod-a', node: 'node-1' } }
  })
})

t.test('slices of a Service without any endpoints: null where there is no list', async t => {
  const empty = JSON.parse('{"metadata":{"uid":"s","name":"s","namespace":"n"},"addressType":"IPv4","endpoints":null,"ports":null}') as EndpointSlice
  t.same(urls([empty]), [])
})
