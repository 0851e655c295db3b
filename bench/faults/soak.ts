// `npm run soak -- --requests 1000000 [--policy NAME] [--limit-secs 600] [--connections 32]`: one long soak, by hand.
import { parseArgs } from 'node:util'
import { endAll } from './processes.ts'
import { resultLines } from './report.ts'
import { runSoak } from './scenarios/soak.ts'

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '1000000' },
    policy: { type: 'string', default: 'cache_aware' },
    connections: { type: 'string', default: '32' },
    'limit-secs': { type: 'string', default: '3600' }
  }
})

try {
  const result = await runSoak({
    requests: Number(values.requests),
    policy: values.policy,
    connections: Number(values.connections),
    limitMs: Number(values['limit-secs']) * 1000,
    print: line => process.stdout.write(`${line}\n`)
  })
  process.stdout.write(resultLines(result))
  if (result.bars.some(({ ok }) => !ok)) process.exitCode = 1
} finally {
  await endAll()
}
