// Puts tests that need no process of their own into one by the dozen: starting Node, tap and the router takes longer than most of them do.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** Folders whose tests share processes. */
const shared = ['auth', 'core', 'disaggregation', 'discovery', 'e2e', 'http2', 'openai', 'plugins', 'policies', 'routes', 'simulator', 'tls']
/** What belongs to a process and not to a test: its figures, its signals and listeners, its environment, its children, the folder tap names after it. */
const alone = /process\.(memoryUsage|hrtime|cpuUsage|on|once|env|emitWarning|getActiveResourcesInfo|execPath)\b|child_process|worker_threads|\bgc\b|\/binary\.js|^(?:const .* = )?t\.testdir|a process of its own/m
/** Files in a process. */
const dozen = 12
/** Milliseconds for each of them. */
const limit = 180_000

/** Every test file below `folder`, its folders in order. */
function testsBelow (folder) {
  return readdirSync(folder, { recursive: true }).filter(name => name.endsWith('.test.js')).sort().map(name => join(folder, name))
}

/** The files tap is to run, those of the groups written beside the tests they import. */
export function testFiles (folder = 'build/test') {
  const files = []
  const rows = new Map(shared.map(name => [join(folder, name), []]))
  for (const file of testsBelow(folder)) {
    const row = rows.get(dirname(file))
    if (row === undefined || alone.test(readFileSync(file, 'utf8'))) files.push(file)
    else row.push(file)
  }
  for (const [parent, row] of rows) {
    for (let at = 0; at < row.length; at += dozen) {
      const group = join(parent, `group-${at / dozen + 1}.js`)
      const imports = row.slice(at, at + dozen).map(file => `t.setTimeout(${limit})\nawait import('./${basename(file)}')\n`)
      writeFileSync(group, ["import t from 'tap'\n", ...imports].join(''))
      files.push(group)
    }
  }
  return files
}
