// Writes the chart's made files; with --check it only tells whether they are up to date.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { chartFiles } from './chart/files.ts'

function read (path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

for (const [path, content] of chartFiles(read)) {
  if (read(path) === content) continue
  if (process.argv.includes('--check')) {
    process.stderr.write(`${path} is not what scripts/chart says: run \`npm run chart:files\`\n`)
    process.exitCode = 1
  } else {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
    process.stdout.write(`${path}\n`)
  }
}
