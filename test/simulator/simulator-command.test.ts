// The command starts a worker, says where, ends on a signal, and explains a bad value in one line with exit code 2.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { at } from './worker.ts'

const cli = new URL('../../simulator/cli.js', import.meta.url).href
const script = `import { Command } from 'commander'
import { addSimulatorCommand } from '${cli}'
const program = new Command('vllm-router')
addSimulatorCommand(program)
await program.parseAsync()`

function run (...flags: string[]): ReturnType<typeof spawn> {
  return spawn(process.execPath, ['--input-type=module', '-e', script, '--', 'simulator', ...flags], { cwd: new URL('../..', import.meta.url), stdio: ['ignore', 'pipe', 'pipe'] })
}

t.test('a worker, until SIGTERM', async t => {
  const child = run('--port', '0', '--model', 'm', '--lora', 'a', 'b', '--data-parallel-size', '2', '--block-size', '32')
  t.teardown(() => child.kill('SIGKILL'))
  const [line] = await once(child.stdout ?? child, 'data') as [Buffer]
  const url = /^simulated worker listening on (http:\/\/127\.0\.0\.1:\d+)\n$/.exec(line.toString())?.[1] ?? ''
  const models = at(await (await fetch(`${url}/v1/models`)).json(), 'data') as unknown[]
  t.same(models.map(model => at(model, 'id')), ['m', 'a', 'b'])
  t.match(await (await fetch(`${url}/metrics`)).text(), /block_size="32".*engine="1"/)
  child.kill('SIGTERM')
  t.same(await once(child, 'exit'), [0, null])
})

t.test('bad values', async t => {
  for (const [flag, value] of [['--port', '70000'], ['--port', 'x'], ['--kv-blocks', '0'], ['--prefill-rate', '-1'], ['--inter-token-latency-ms', 'fast'], ['--data-parallel-size', '1.5']] as const) {
    const child = run(flag, value)
    let text = ''
    child.stderr?.on('data', (chunk: Buffer) => { text += chunk.toString() })
    t.same(await once(child, 'close'), [2, null], `${flag} ${value}`)
    t.match(text, new RegExp(`^error: option '${flag} <number>' argument '${value}' is invalid\\. [^\\n]+\\n$`))
  }
})
