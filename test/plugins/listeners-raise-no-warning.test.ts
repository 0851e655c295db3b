// A router with all its plugins, and an application that listens beside them, raise no warning of leaking listeners.
import t from 'tap'
import { startPools } from '../helpers/pools.ts'

t.test('no warning', async t => {
  const warnings: string[] = []
  const heard = (warning: Error): void => { warnings.push(`${warning.name}: ${warning.message}`) }
  process.on('warning', heard)
  t.teardown(() => process.off('warning', heard))
  const { router } = await startPools(t)
  for (let i = 0; i < 10; i++) router.calls.on('settled', () => {})
  await new Promise(resolve => setImmediate(resolve))
  t.same(warnings, [])
})
