// How each connector joins two workers: parameters of both legs, request ids, order, and what it needs to know of the workers.
import t from 'tap'
import { Worker } from '../../core/worker.ts'
import type { WorkerSpec } from '../../core/worker.ts'
import { planFor, servesAlone } from '../../disaggregation/index.ts'
import type { ConnectorChoice, Plan, PlanContext } from '../../disaggregation/index.ts'
import { pushIdentity } from '../../disaggregation/nixl.ts'

const uuid = '01234567-89ab-cdef-0123-456789abcdef'
const hex = '0123456789abcdef0123456789abcdef'
const nixlPrefill = { do_remote_decode: true, do_remote_prefill: false, remote_engine_id: null, remote_block_ids: null, remote_host: null, remote_port: null }

function worker (role: 'prefill' | 'decode', more: Partial<WorkerSpec> = {}, rank?: number): Worker {
  return new Worker({ url: `http://${role}:8000`, role, ...more }, rank)
}

function plan (choice: ConnectorChoice, prefill: Worker, decode: Worker, known: Partial<PlanContext> = {}, concurrent = true): Plan | undefined {
  return planFor(prefill, decode, 'own', concurrent, { choice, identityOf: () => undefined, engineOf: () => undefined, uuid: () => uuid, ...known })
}

const parsed = (json: unknown): unknown => json === undefined ? undefined : JSON.parse(String(json))

t.test('NIXL: what the prefill worker returned goes to the decode worker untouched', async t => {
  const made = plan('nixl', worker('prefill'), worker('decode'))
  t.match(made, { connector: 'nixl', requestId: undefined, concurrent: false, portable: true, expectsParams: true })
  t.same(parsed(made?.prefillParams), nixlPrefill)
  const returned = Buffer.from('{"remote_block_ids": [[1,2]], "unknown":1.0}')
  t.equal(made?.decodeParams(returned), returned)
  t.equal(made?.decodeParams(undefined), undefined)
})

t.test('NIXL in push mode', async t => {
  const returned = '{"do_remote_prefill":true,"transfer_mode":"push","remote_engine_id":"e-1","remote_host":"10.0.0.1","remote_port":5600,"tp_size":2,"remote_block_ids":[[1]]}'
  const identity = pushIdentity(Buffer.from(returned))
  t.equal(identity, '"remote_engine_id":"e-1","remote_host":"10.0.0.1","remote_port":5600,"tp_size":2')
  for (const other of [returned.replace('push', 'pull'), returned.replace('"tp_size":2,', ''), '{}', 'null']) t.equal(pushIdentity(Buffer.from(other)), undefined, other)
  const known = { identityOf: () => identity }
  const made = plan('nixl', worker('prefill'), worker('decode'), known)
  t.match(made, { requestId: 'own-0123456789abcdef', concurrent: true, portable: false, expectsParams: false })
  t.same(parsed(made?.prefillParams), nixlPrefill)
  t.same(parsed(made?.decodeParams(undefined)), {
    do_remote_prefill: true, do_remote_decode: false, remote_engine_id: 'e-1', remote_host: '10.0.0.1', remote_port: 5600, tp_size: 2, remote_request_id: 'own-0123456789abcdef'
  })
  t.match(plan('nixl', worker('prefill'), worker('decode'), known, false), { concurrent: false, expectsParams: true }, 'one after the other where both at once will not do')
})

t.test('Mooncake', async t => {
  const known = { engineOf: ({ rankHeader }: Worker) => `engine-${rankHeader}` }
  const made = plan('mooncake', worker('prefill', { bootstrapPort: 9000, ranks: 2 }, 1), worker('decode'), known)
  t.match(made, { connector: 'mooncake', requestId: undefined, concurrent: false, portable: true, expectsParams: false })
  t.same(parsed(made?.prefillParams), { do_remote_decode: true, do_remote_prefill: false, transfer_id: `xfer-${uuid}` })
  t.same(parsed(made?.decodeParams(undefined)), {
    do_remote_decode: false, do_remote_prefill: true, transfer_id: `xfer-${uuid}`, remote_bootstrap_addr: 'http://prefill:9000', remote_engine_id: 'engine-1'
  })
  t.match(parsed(plan('mooncake', worker('prefill', { url: 'https://[::1]:8000/base' }), worker('decode'), known)?.decodeParams(undefined)), { remote_bootstrap_addr: 'http://[::1]:8998' }, 'the default port')
  t.equal(plan('mooncake', worker('prefill'), worker('decode')), undefined, 'its engine is not known yet')
})

t.test('MoRI-IO', async t => {
  const prefill = (transferMode: 'READ' | 'WRITE', dpSize: number): Worker => worker('prefill', { connector: 'moriio', zmqAddress: 'host:p,handshake:1,notify:2', transferMode, tpSize: 2, dpSize, ranks: dpSize }, dpSize > 1 ? 1 : undefined)
  const decode = worker('decode', { connector: 'moriio', zmqAddress: 'host:d,handshake:3,notify:4', tpSize: 4, dpSize: 3, ranks: 3 }, 2)
  const id = `___prefill_addr_host:p,handshake:1,notify:2___decode_addr_host:d,handshake:3,notify:4_${hex}`
  const transfer = { remote_engine_id: null, remote_block_ids: null, transfer_id: `tx-${hex}` }
  for (const choice of ['moriio', 'auto'] as const) {
    const read = plan(choice, prefill('READ', 2), decode)
    t.match(read, { connector: 'moriio', requestId: id, concurrent: false, portable: false, expectsParams: true })
    t.same(parsed(read?.prefillParams), { do_remote_decode: true, do_remote_prefill: false, ...transfer, remote_dp_size: 3 })
    t.equal(String(read?.decodeParams(Buffer.from('{"remote_block_ids":[1], "x":1.0}'))), '{"remote_block_ids":[1], "x":1.0,"remote_dp_size":2}')
    t.equal(read?.decodeParams(undefined), undefined)
  }
  const write = plan('auto', prefill('WRITE', 2), decode)
  t.match(write, { requestId: id, concurrent: true, portable: false, expectsParams: false })
  t.same(parsed(write?.prefillParams), { do_remote_decode: true, do_remote_prefill: false, ...transfer, remote_dp_size: 3, remote_tp_size: 4, remote_dp_rank: 2 })
  t.same(parsed(write?.decodeParams(undefined)), { do_remote_decode: false, do_remote_prefill: true, ...transfer, remote_dp_size: 2, remote_tp_size: 2, remote_dp_rank: 1 })
  t.same(parsed(plan('auto', prefill('WRITE', 1), decode)?.decodeParams(undefined)), { do_remote_decode: false, do_remote_prefill: true, ...transfer, remote_dp_size: 1, remote_tp_size: 2 })
  t.equal(plan('auto', prefill('WRITE', 1), decode, {}, false), undefined, 'not one after the other')
  t.equal(plan('moriio', worker('prefill'), decode), undefined, 'it announced no address')
})

t.test('P2pNccl: the id says it all', async t => {
  const prefill = worker('prefill', { connector: 'p2p-nccl', zmqAddress: '10.0.0.1:21001' })
  const decode = worker('decode', { connector: 'p2p-nccl', zmqAddress: '[::1]:22001' })
  for (const choice of ['p2p-nccl', 'auto'] as const) {
    const made = plan(choice, prefill, decode)
    t.match(made, { connector: 'p2p-nccl', requestId: `___prefill_addr_10.0.0.1:21001___decode_addr_[::1]:22001_${hex}`, concurrent: false, portable: false, prefillParams: undefined, expectsParams: false })
    t.equal(made?.decodeParams(Buffer.from('{}')), undefined)
  }
  t.equal(plan('p2p-nccl', prefill, worker('decode')), undefined)
})

t.test('auto: as workers announced themselves', async t => {
  const known = { engineOf: () => 'e' }
  t.equal(plan('auto', worker('prefill'), worker('decode'), known)?.connector, 'nixl')
  t.equal(plan('auto', worker('prefill', { bootstrapPort: 1 }), worker('decode'), known)?.connector, 'mooncake')
  t.equal(plan('nixl', worker('prefill', { bootstrapPort: 1 }), worker('decode'), known)?.connector, 'nixl', 'what is said counts')
})

t.test('who serves a request by itself', async t => {
  for (const [choice, spec, expected] of [
    ['nixl', {}, true], ['mooncake', {}, true], ['moriio', {}, false], ['p2p-nccl', {}, false], ['auto', {}, true], ['auto', { connector: 'p2p-nccl' }, false], ['auto', { connector: 'moriio' }, false]
  ] as const) t.equal(servesAlone(worker('decode', spec), choice), expected, `${choice} ${JSON.stringify(spec)}`)
})
