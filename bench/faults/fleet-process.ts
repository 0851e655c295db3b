// Simulated workers in a process of their own, told over its channel what to suffer from.
import { startSimulator } from '../../simulator/index.ts'
import type { StartedSimulator } from '../../simulator/start.ts'
import type { FleetCommand } from './fleet.ts'
import { SlowClock } from './slow-clock.ts'

interface Member {
  readonly clock: SlowClock
  simulator: StartedSimulator
  readonly port: number
}

const members: Member[] = []

/** Fast enough to show what a router does, slow enough to measure on a busy machine. */
const engine = { interTokenLatencyMs: 5, interTokenSlopeMs: 0.05, prefillRate: 10_000, maxNumSeqs: 64, maxRecordedRequests: 1 }

async function begin (port: number): Promise<Member> {
  const clock = new SlowClock()
  const simulator = await startSimulator({ ...engine, clock, port })
  return { clock, simulator, port: Number(new URL(simulator.url).port) }
}

function member (at: number): Member {
  const found = members[at]
  if (found === undefined) throw new RangeError(`no worker ${at}`)
  return found
}

async function run (command: FleetCommand): Promise<unknown> {
  switch (command.do) {
    case 'start':
      for (let i = 0; i < command.count; i++) members.push(await begin(command.port ?? 0))
      return members.map(({ simulator }) => simulator.url)
    case 'fail':
      await Promise.all(command.workers.map(at => member(at).simulator.app.simulator.failures.set(command.failure)))
      return undefined
    case 'slow':
      member(command.worker).clock.slow(command.factor)
      return undefined
    case 'restart': {
      const old = member(command.worker)
      await old.simulator.close()
      members[command.worker] = await begin(old.port)
      return undefined
    }
    case 'load':
      return members.reduce((sum, { simulator }) => sum + simulator.app.simulator.engines.reduce((load, one) => load + one.load, 0), 0)
  }
}

process.on('message', ({ id, command }: { id: number, command: FleetCommand }) => {
  run(command).then(
    value => process.send?.({ id, value }),
    error => process.send?.({ id, error: String(error) })
  )
})
process.on('disconnect', () => process.exit(0))
