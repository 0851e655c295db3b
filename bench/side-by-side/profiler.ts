// Loaded into a target that runs on Node before its own code: takes a CPU profile from one SIGUSR2 to the next.
import { renameSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector'

const file = process.env['BENCH_PROFILE'] ?? 'bench.cpuprofile'
const session = new Session()
session.connect()
session.post('Profiler.enable')
// microseconds
session.post('Profiler.setSamplingInterval', { interval: 500 })
let takes = false

process.on('SIGUSR2', () => {
  takes = !takes
  if (takes) return session.post('Profiler.start')
  session.post('Profiler.stop', (error, result) => {
    if (error !== null) throw error
    // in place all at once, so that who waits for it finds it whole
    writeFileSync(`${file}.part`, JSON.stringify(result.profile))
    renameSync(`${file}.part`, file)
  })
})
