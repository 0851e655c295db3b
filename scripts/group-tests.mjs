// Puts small tests that touch nothing outside themselves into one process each dozen: starting Node and tap takes longer than they do.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Folders of pure code, without files, sockets or processes. */
const pure = ['core', 'openai', 'policies']
/** Measures its own process, so it shares it with nobody. */
const alone = /process\.(memoryUsage|hrtime|cpuUsage)/
/** Files in a process. */
const dozen = 12

/** Every test file below `folder`, its folders in order. */
function testsBelow (folder) {
  return readdirSync(folder, { recursive: true }).filter(name => name.endsWith('.test.js')).sort().map(name => join(folder, name))
}

/** The files tap is to run, those of the groups written beside the tests they import. */
export function testFiles (folder = 'build/test') {
  const files = []
  const rows = new Map(pure.map(name => [join(folder, name) + '/', []]))
  for (const file of testsBelow(folder)) {
    const row = [...rows].find(([start]) => file.startsWith(start))?.[1]
    if (row === undefined || alone.test(readFileSync(file, 'utf8'))) files.push(file)
    else row.push(file)
  }
  for (const [start, row] of rows) {
    for (let at = 0; at < row.length; at += dozen) {
      const group = join(start, `group-${at / dozen + 1}.js`)
      writeFileSync(group, row.slice(at, at + dozen).map(file => `await import('./${file.slice(start.length)}')\n`).join(''))
      files.push(group)
    }
  }
  return files
}
