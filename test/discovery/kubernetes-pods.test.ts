// Which pods are workers, where, and what labels and annotations make of them.
import fc from 'fast-check'
import t from 'tap'
import type { WorkerSpec } from '../../core/worker.ts'
import { readPod } from '../../discovery/kubernetes/pods.ts'
import type { Pod } from '../../discovery/kubernetes/objects.ts'
import { parseWorkerUrl } from '../../core/worker-url.ts'

const rules = { role: 'regular', port: '8000', ranks: 1 } as const
const ready = { type: 'Ready', status: 'True' }
const running = { phase: 'Running', podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }], conditions: [{ type: 'Initialized', status: 'True' }, ready] }
const metadata = { uid: 'u1', name: 'w1', namespace: 'models', resourceVersion: '7' }
const containers = [{ ports: [{ name: 'http', containerPort: 8001 }, { name: 'metrics', containerPort: 9001 }] }, { ports: [{ name: 'other', containerPort: 8002 }] }]

function pod (changes: { metadata?: object, spec?: object, status?: object } = {}): Pod {
  return {
    metadata: { ...metadata, ...changes.metadata },
    spec: { nodeName: 'node-1', containers, ...changes.spec },
    status: { ...running, ...changes.status }
  }
}

const spec: WorkerSpec = { url: 'http://10.0.0.1:8000', role: 'regular', labels: { namespace: 'models', pod: 'w1', node: 'node-1' } }

/** A pod, and the worker it is; undefined: none. */
const pods: ReadonlyArray<[what: string, pod: Pod, worker: WorkerSpec | undefined, options?: Partial<Parameters<typeof readPod>[1]>]> = [
  ['running and ready', pod(), spec],
  ['not ready', pod({ status: { conditions: [{ type: 'Ready', status: 'False' }] } }), undefined],
  ['of unknown readiness, its node is lost', pod({ status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } }), undefined],
  ['without conditions', pod({ status: { conditions: [] } }), undefined],
  ['pending', pod({ status: { phase: 'Pending' } }), undefined],
  ['failed, and ready all the same', pod({ status: { phase: 'Failed' } }), undefined],
  ['succeeded', pod({ status: { phase: 'Succeeded' } }), undefined],
  ['new, without status', { metadata }, undefined],
  ['without an address yet', { ...pod(), status: { phase: 'Running', conditions: [ready] } }, undefined],
  ['with an address that is none', pod({ status: { podIP: 'example.com' } }), undefined],
  ['being deleted', pod({ metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } }), { ...spec, leaving: true }],
  ['being deleted and no longer ready', pod({ metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' }, status: { conditions: [] } }), { ...spec, leaving: true }],
  ['of IPv6', pod({ status: { podIP: 'fd00::1', podIPs: [{ ip: 'fd00::1' }] } }), { ...spec, url: 'http://[fd00::1]:8000' }],
  ['of two families: the first counts', pod({ status: { podIP: 'fd00::1', podIPs: [{ ip: 'fd00::1' }, { ip: '10.0.0.1' }] } }), { ...spec, url: 'http://[fd00::1]:8000' }],
  ['with podIPs alone', { ...pod(), status: { phase: 'Running', podIPs: [{ ip: '10.0.0.9' }], conditions: [ready] } }, { ...spec, url: 'http://10.0.0.9:8000' }],
  ['not scheduled by name', pod({ spec: { nodeName: undefined } }), { ...spec, labels: { namespace: 'models', pod: 'w1' } }],
  ['by the name of a port', pod(), { ...spec, url: 'http://10.0.0.1:8001' }, { port: 'http' }],
  ['by the name of a port of another container', pod(), { ...spec, url: 'http://10.0.0.1:8002' }, { port: 'other' }],
  ['by the name of a sidecar\'s port', pod({ spec: { initContainers: [{ restartPolicy: 'Always', ports: [{ name: 'side', containerPort: 8003 }] }] } }), { ...spec, url: 'http://10.0.0.1:8003' }, { port: 'side' }],
  ['port from the annotation', pod({ metadata: { annotations: { 'vllm.ai/port': '8100' } } }), { ...spec, url: 'http://10.0.0.1:8100' }],
  ['port by name from the annotation', pod({ metadata: { annotations: { 'vllm.ai/port': 'metrics' } } }), { ...spec, url: 'http://10.0.0.1:9001' }],
  ['port from a label', pod({ metadata: { labels: { 'vllm.ai/port': '8101' } } }), { ...spec, url: 'http://10.0.0.1:8101' }],
  ['bootstrap port', pod({ metadata: { annotations: { 'vllm.ai/bootstrap-port': '8998' } } }), { ...spec, role: 'prefill', bootstrapPort: 8998 }, { role: 'prefill' }],
  ['model from the annotation before the label', pod({ metadata: { annotations: { 'vllm.ai/model': 'org/model' }, labels: { 'vllm.ai/model': 'other' } } }), { ...spec, model: 'org/model' }],
  ['model from the label', pod({ metadata: { labels: { 'vllm.ai/model': 'llama' } } }), { ...spec, model: 'llama' }],
  ['ranks from the label', pod({ metadata: { labels: { 'vllm.ai/data-parallel-size': '4' } } }), { ...spec, ranks: 4 }],
  ['ranks from the options', pod(), { ...spec, ranks: 2 }, { ranks: 2 }],
  ['one rank though the options say two', pod({ metadata: { labels: { 'vllm.ai/data-parallel-size': '1' } } }), spec, { ranks: 2 }],
  ['decode', pod(), { ...spec, role: 'decode' }, { role: 'decode' }]
]

for (const [what, given, worker, options] of pods) {
  t.test(what, async t => {
    const reading = readPod(given, { ...rules, ...options })
    t.strictSame(reading.spec, worker)
    t.strictSame(reading.problems, [])
    t.equal(reading.key, 'u1')
    t.equal(reading.name, 'models/w1')
  })
}

/** What is wrong, what is said about it, and what is done all the same. */
const wrong: ReadonlyArray<[what: string, pod: Pod, problem: RegExp, worker: WorkerSpec | undefined, port?: string]> = [
  ['an init container that ends has no port', pod({ spec: { initContainers: [{ ports: [{ name: 'side', containerPort: 8003 }] }] } }), /^no container port is named "side", so it is no worker$/, undefined, 'side'],
  ['an annotated port that is not there', pod({ metadata: { annotations: { 'vllm.ai/port': 'none' } } }), /^vllm.ai\/port is "none": it is no port number/, spec],
  ['an annotated port out of range', pod({ metadata: { annotations: { 'vllm.ai/port': '70000' } } }), /^vllm.ai\/port is "70000"/, spec],
  ['a bootstrap port that is no number', pod({ metadata: { annotations: { 'vllm.ai/bootstrap-port': 'x' } } }), /^vllm.ai\/bootstrap-port takes a whole number from 1 to 65535, not "x"$/, spec],
  ['ranks that are too many', pod({ metadata: { annotations: { 'vllm.ai/data-parallel-size': '5000' } } }), /^vllm.ai\/data-parallel-size takes a whole number from 1 to 1024, not "5000"$/, spec],
  ['ranks of zero', pod({ metadata: { annotations: { 'vllm.ai/data-parallel-size': '0' } } }), /^vllm.ai\/data-parallel-size takes/, spec]
]

for (const [what, given, problem, worker, port] of wrong) {
  t.test(what, async t => {
    const reading = readPod(given, { ...rules, port: port ?? rules.port })
    t.equal(reading.problems.length, 1)
    t.match(reading.problems[0], problem)
    t.strictSame(reading.spec, worker)
  })
}

t.test('whatever a pod looks like, it is a worker with a proper URL or none', async t => {
  const text = fc.oneof(fc.string(), fc.constantFrom('8000', 'http', '0', '65536', '-1', '1e3', ' 8000 '))
  const any = fc.record({
    metadata: fc.record({
      uid: fc.string(),
      name: fc.string(),
      deletionTimestamp: fc.string(),
      annotations: fc.dictionary(fc.constantFrom('vllm.ai/port', 'vllm.ai/bootstrap-port', 'vllm.ai/data-parallel-size', 'vllm.ai/model'), text)
    }, { requiredKeys: [] }),
    spec: fc.record({ containers: fc.array(fc.record({ ports: fc.array(fc.record({ name: text, containerPort: fc.integer({ min: 1, max: 65535 }) })) }, { requiredKeys: [] })) }),
    status: fc.record({
      phase: fc.constantFrom('Running', 'Pending'),
      podIP: fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()),
      conditions: fc.array(fc.record({ type: fc.constantFrom('Ready', 'Other'), status: fc.constantFrom('True', 'False') }))
    }, { requiredKeys: [] })
  }, { requiredKeys: [] })
  fc.assert(fc.property(any, text, (given, port) => {
    const { spec } = readPod(given, { ...rules, port })
    if (spec === undefined) return
    const { url, rank } = parseWorkerUrl(spec.url)
    if (url !== spec.url || rank !== undefined) throw new Error(spec.url)
    if (given.status?.phase !== 'Running' && spec.leaving !== true) throw new Error('a worker that does not run')
    if (given.metadata?.deletionTimestamp !== undefined && spec.leaving !== true) throw new Error('stays though it is deleted')
  }))
  t.pass('for all of them')
})
