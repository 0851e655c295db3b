// Checks .github/workflows with actionlint: the one on the PATH, else built by Go where Go is; ends with one line that counts.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'

const module = 'github.com/rhysd/actionlint/cmd/actionlint@v1.7.12'
const folder = '.github/workflows'
const files = readdirSync(folder).filter(name => /\.ya?ml$/.test(name)).map(name => `${folder}/${name}`)

const has = (command, ...args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0
const [command, ...args] = has('actionlint', '-version') ? ['actionlint'] : has('go', 'version') ? ['go', 'run', module] : []

if (command === undefined) {
  process.stdout.write(`skipped: neither actionlint nor Go is here\n\n0 passed, 0 failed, ${files.length} skipped\n`)
} else if (!has(command, ...args, '-version')) {
  // no module could be had: that says nothing about the workflows
  process.stdout.write(`skipped: actionlint could not be built from ${module}\n\n0 passed, 0 failed, ${files.length} skipped\n`)
} else {
  // no ShellCheck: whether it is there would decide what is found
  const { status } = spawnSync(command, [...args, '-shellcheck=', '-pyflakes=', '-color=false', ...files], { stdio: 'inherit' })
  process.stdout.write(`\n${status === 0 ? files.length : 0} passed, ${status === 0 ? 0 : files.length} failed\n`)
  process.exitCode = status === 0 ? 0 : 1
}
