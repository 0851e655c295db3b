// Writes docs/options.md from the option table; with --check it only tells whether the page is up to date.
import { readFile, writeFile } from 'node:fs/promises'
import { optionsPage } from '../options/docs.ts'

const path = 'docs/options.md'

if (!process.argv.includes('--check')) await writeFile(path, optionsPage())
else if (await readFile(path, 'utf8').catch(() => '') !== optionsPage()) {
  process.stderr.write(`${path} is not what options.ts says: run scripts/options-docs without --check\n`)
  process.exitCode = 1
}
