// A call is settled exactly once, and nobody hears of it after that, whatever comes in whatever order.
import type { Dispatcher } from 'undici'
import fc from 'fast-check'
import t from 'tap'
import { Exchange } from '../../core/exchange.ts'
import type { End } from '../../core/exchange.ts'
import { ManualClock } from '../helpers/manual-clock.ts'

/** A connection that tells the exchange of its own abort at once, as undici does. */
class Connection implements Dispatcher.DispatchController {
  readonly paused = false
  aborted = false
  reason: Error | null = null
  private readonly exchange: Exchange

  constructor (exchange: Exchange) {
    this.exchange = exchange
  }

  abort (reason: Error): void {
    this.aborted = true
    this.reason = reason
    this.exchange.failed(reason)
  }

  pause (): void {}
  resume (): void {}
}

function watched (clock = new ManualClock()): { exchange: Exchange, told: string[], connection: Connection } {
  const told: string[] = []
  const exchange = new Exchange(clock, {
    head: () => told.push('head'),
    firstByte: () => told.push('firstByte'),
    chunk: (_exchange, _chunk, gap) => told.push(`chunk ${gap}`),
    settled: ({ end }) => told.push(`settled ${end}`)
  })
  return { exchange, told, connection: new Connection(exchange) }
}

const steps = ['started', 'head', 'data', 'completed', 'failed', 'abandon'] as const

t.test('any order', async t => {
  fc.assert(fc.property(fc.array(fc.constantFrom(...steps), { maxLength: 12 }), order => {
    const { exchange, told, connection } = watched()
    let wanted: End | undefined
    let answered = false
    for (const step of order) {
      if (step === 'completed') wanted ??= 'completed'
      else if (step === 'failed') wanted ??= answered ? 'broken' : 'failed'
      else if (step === 'abandon') wanted ??= 'client_gone'
      if (step === 'started') exchange.started(connection)
      else if (step === 'head') { exchange.head(200, []); answered = true } else if (step === 'data') exchange.data(Buffer.from('x'))
      else if (step === 'failed') exchange.failed(new Error('test'))
      else exchange[step]()
    }
    const settled = told.filter(what => what.startsWith('settled'))
    if (settled.join() !== (wanted === undefined ? '' : `settled ${wanted}`)) throw new Error(`${settled.join()}, not ${wanted}`)
    if (exchange.end !== wanted) throw new Error(`ended ${exchange.end}`)
    if (wanted !== undefined && told.at(-1) !== settled[0]) throw new Error(`told after the end: ${told.join()}`)
    if ((exchange.error !== undefined) !== (wanted === 'failed' || wanted === 'broken')) throw new Error('error kept or not')
    if (exchange.end === 'client_gone' && order.includes('started') && !connection.aborted) throw new Error('the worker goes on')
  }), { seed: 5, numRuns: 2000 })
  t.pass('no counterexample')
})

t.test('a client that left while its call waited for a connection never reaches the worker', async t => {
  const { exchange, told, connection } = watched()
  exchange.abandon()
  t.same(told, ['settled client_gone'])
  t.equal(connection.aborted, false)
  exchange.started(connection)
  t.equal(connection.aborted, true)
  t.same(told, ['settled client_gone'])
  t.equal(exchange.error, undefined, 'nothing went wrong with the worker')
})

t.test('a client that leaves within the answer is no fault of the worker', async t => {
  const { exchange, told, connection } = watched()
  exchange.started(connection)
  exchange.head(200, [])
  exchange.data(Buffer.from('x'))
  exchange.abandon()
  t.equal(connection.aborted, true)
  t.same(told, ['head', 'firstByte', 'chunk 0', 'settled client_gone'])
  t.equal(exchange.error, undefined)
})

t.test('times', async t => {
  const clock = new ManualClock()
  await clock.advance(1000)
  const { exchange, told, connection } = watched(clock)
  exchange.started(connection)
  await clock.advance(5)
  exchange.head(200, ['a', 'b'])
  await clock.advance(20)
  exchange.data(Buffer.from('x'))
  await clock.advance(3)
  exchange.data(Buffer.from('y'))
  await clock.advance(4)
  exchange.data(Buffer.from('z'))
  await clock.advance(1)
  exchange.completed()
  t.same(told, ['head', 'firstByte', 'chunk 0', 'chunk 3', 'chunk 4', 'settled completed'])
  t.same([exchange.startedAt, exchange.firstByteAt, exchange.endedAt], [1000, 1025, 1033])
  t.same([exchange.status, exchange.headers], [200, ['a', 'b']])
})
