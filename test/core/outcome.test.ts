// What the end of a call says about its worker.
import t from 'tap'
import { outcomeOf } from '../../core/outcome.ts'
import type { Exchange } from '../../core/exchange.ts'

type Ended = Pick<Exchange, 'end' | 'status' | 'headers' | 'error'>
const ended = (end: Ended['end'], status: number, headers: readonly string[] = [], error?: Error): Ended => ({ end, status, headers, error })

t.test('every way a call ends', async t => {
  for (const status of [200, 204, 301, 501]) t.equal(outcomeOf(ended('completed', status)), 'success', `${status}`)
  for (const status of [500, 502, 503, 504, 599]) t.equal(outcomeOf(ended('completed', status)), 'failure', `${status}`)
  for (const status of [400, 401, 404, 408, 422, 429]) t.equal(outcomeOf(ended('completed', status)), 'neither', `${status}`)
  t.equal(outcomeOf(ended('completed', 503, ['Retry-After', '5'])), 'neither')
  t.equal(outcomeOf(ended('completed', 503, ['Retry-After', '0'])), 'failure')
  t.equal(outcomeOf(ended('completed', 503, ['Retry-After', 'soon'])), 'failure')
  t.equal(outcomeOf(ended('completed', 500, ['Retry-After', '5'])), 'failure')
  t.equal(outcomeOf(ended('failed', 0, [], new Error('reset'))), 'failure')
  t.equal(outcomeOf(ended('broken', 200, [], new Error('reset'))), 'failure')
  t.equal(outcomeOf(ended('client_gone', 0)), 'neither')
  t.equal(outcomeOf(ended('client_gone', 500)), 'neither')
  t.equal(outcomeOf(ended('failed', 0, [], Object.assign(new Error('no such header'), { code: 'UND_ERR_INVALID_ARG' }))), 'neither')
})
