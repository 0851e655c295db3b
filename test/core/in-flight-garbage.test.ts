// What was in flight is garbage that minor collections free, however old the list is; with a `Set` in its place it is not.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { InFlight } from '../../core/in-flight.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as (options?: { type: 'minor' }) => void

const items = 4000
const itemBytes = 5000

/** Bytes that are left after so many items went through, of which 64 were in at a time. */
function left (add: (item: object) => () => void): number {
  const overs: (() => void)[] = []
  for (let i = 0; i < 64; i++) overs.push(add({}))
  // a list that is as old as the server
  collect()
  collect()
  const before = process.memoryUsage().heapUsed
  for (let i = 0; i < items; i++) {
    overs.push(add(new Array(itemBytes / 8).fill(i)))
    overs.shift()?.()
  }
  for (const over of overs) over()
  for (let i = 0; i < 3; i++) collect({ type: 'minor' })
  return process.memoryUsage().heapUsed - before
}

t.test('an old list', async t => {
  const inFlight = new InFlight<object>()
  const bytes = left(item => inFlight.add(item))
  t.equal(inFlight.size, 0)
  t.ok(bytes < items * itemBytes / 10, `${bytes} bytes are left of ${items * itemBytes}`)
})

t.test('the measurement sees what an old Set keeps', async t => {
  const set = new Set<object>()
  const bytes = left(item => {
    set.add(item)
    return () => { set.delete(item) }
  })
  t.ok(bytes > items * itemBytes / 10, `${bytes} bytes are left of ${items * itemBytes}`)
})
