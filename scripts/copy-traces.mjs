// `npm run replay:traces -- --from DIR`: copies the traces that the comparison of policies plays into .bench/traces, with the words on their licences.
import { cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const wanted = ['mooncake-conversation.jsonl', 'azure-conv-2023.csv', 'agent-sessions', 'README.md']
const { values: { from, to } } = parseArgs({ options: { from: { type: 'string' }, to: { type: 'string', default: '.bench/traces' } } })
const missing = from === undefined ? wanted : wanted.filter(name => !existsSync(join(from, name)))
if (from === undefined || missing.length > 0) {
  process.stderr.write(from === undefined
    ? 'npm run replay:traces -- --from DIR [--to DIR]: DIR is a folder with the traces that docs/replay.md names\n'
    : `--from: ${from} lacks ${missing.join(', ')}; docs/replay.md says where they come from\n`)
  process.exit(2)
}
mkdirSync(to, { recursive: true })
for (const name of wanted) cpSync(join(from, name), join(to, name), { recursive: true, mode: 0, force: true })
process.stdout.write(`${readdirSync(join(to, 'agent-sessions')).length} sessions and 2 traces are in ${to}; their licences are in its README.md\n`)
