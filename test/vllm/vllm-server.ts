// Starts real vLLM servers on loopback for tests, where vLLM is installed.
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createWriteStream, existsSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'

/** The name the model is served under. */
export const modelName = 'tiny'

/** A vLLM that answers. */
export interface VllmServer {
  readonly url: string
  readonly process: ChildProcess
  /** Value of a gauge or counter of its `/metrics`, summed over labels. */
  metric (name: string): Promise<number>
  stop (): Promise<void>
}

/** Path of the `vllm` executable: `$VLLM`, or the one on the PATH; undefined when there is none. */
export function findVllm (): string | undefined {
  const named = process.env['VLLM']
  if (named !== undefined) return existsSync(named) ? named : undefined
  const found = spawnSync('sh', ['-c', 'command -v vllm'], { encoding: 'utf8' }).stdout.trim()
  return found === '' ? undefined : found
}

/** Draws the tiny model into `directory` with the Python that vLLM runs on. */
export function drawModel (vllm: string, directory: string): void {
  const beside = join(dirname(vllm), 'python')
  const python = existsSync(beside) ? beside : 'python3'
  const { status, stderr } = spawnSync(python, ['scripts/tiny-model.py', directory], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`the tiny model could not be drawn:\n${stderr}`)
}

/** A TCP port of the loopback that nobody uses. */
export async function freePort (): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

/** What a server is started with beyond what all are. */
export interface VllmStart {
  readonly args?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

/** Starts a server and waits until it answers; its log goes to `directory`. */
export async function startVllm (vllm: string, model: string, directory: string, { args = [], environment = {} }: VllmStart = {}): Promise<VllmServer> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const child = spawn(vllm, [
    'serve', model, '--served-model-name', modelName, '--host', '127.0.0.1', '--port', String(port), '--enforce-eager',
    '--max-model-len', '2048', '--max-num-seqs', '16', '--block-size', '32', '--enable-prompt-tokens-details', ...args
  ], {
    detached: true, // a group of its own: vLLM starts further processes, and all must end
    env: {
      ...process.env,
      HF_HUB_OFFLINE: '1',
      TRANSFORMERS_OFFLINE: '1',
      VLLM_NO_USAGE_STATS: '1',
      DO_NOT_TRACK: '1',
      VLLM_CPU_KVCACHE_SPACE: '1',
      VLLM_CPU_OMP_THREADS_BIND: 'nobind',
      OMP_NUM_THREADS: '1',
      PYTHONHASHSEED: '0',
      VLLM_HOST_IP: '127.0.0.1',
      VLLM_SERVER_DEV_MODE: '1',
      ...environment
    },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const log = createWriteStream(join(directory, `vllm-${port}.log`))
  child.stdout?.pipe(log)
  child.stderr?.pipe(log)
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()))
  let dead = false
  void exited.then(() => { dead = true })

  const deadline = performance.now() + 600_000
  while (!await answers(url)) {
    if (dead) throw new Error(`vLLM ended while it started: see ${join(directory, `vllm-${port}.log`)}`)
    if (performance.now() > deadline) throw new Error('vLLM did not answer within 10 minutes')
    await new Promise(resolve => setTimeout(resolve, 500))
  }
  return {
    url,
    process: child,
    async metric (name) {
      const page = (): Promise<Response> => fetch(url + '/metrics')
      // vLLM may close the connection of the question before at the same moment
      const text = await (await page().catch(page)).text()
      let sum = 0
      for (const line of text.split('\n')) if (line.startsWith(name + '{') || line.startsWith(name + ' ')) sum += Number(line.slice(line.lastIndexOf(' ') + 1))
      return sum
    },
    async stop () {
      if (dead || child.pid === undefined) return
      child.kill('SIGTERM')
      const patience = setTimeout(() => { if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL') }, 20_000)
      await exited
      clearTimeout(patience)
    }
  }
}

async function answers (url: string): Promise<boolean> {
  try {
    return (await fetch(url + '/health')).ok
  } catch {
    return false
  }
}
