// The `simulator` subcommand: a simulated worker from the command line.
import { InvalidArgumentError, type Command } from 'commander'
import { startSimulator, type StartedSimulator, type StartOptions } from './start.ts'

/** Options as commander hands them over. */
interface Flags {
  readonly host: string
  readonly port: number
  readonly model: string
  readonly lora: readonly string[]
  readonly maxNumSeqs: number
  readonly prefillRate: number
  readonly interTokenLatencyMs: number
  readonly kvBlocks: number
  readonly blockSize: number
  readonly dataParallelSize: number
  readonly apiKey?: string
}

/** Adds `simulator` to a program. A bad value or an unknown flag ends the process with exit code 2 and one line of explanation. */
export function addSimulatorCommand (program: Command): Command {
  return program.command('simulator')
    .description('run a simulated vLLM worker')
    .exitOverride(error => process.exit(error.exitCode === 0 ? 0 : 2))
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <number>', 'port to listen on, 0 for any free one', whole(0, 65535), 8000)
    .option('--model <name>', 'name of the base model', 'simulated')
    .option('--lora <names...>', 'names of LoRA adapters', [])
    .option('--max-num-seqs <number>', 'requests running at once', whole(1), 256)
    .option('--prefill-rate <number>', 'prompt tokens computed in a second', above(0), 20_000)
    .option('--inter-token-latency-ms <number>', 'milliseconds between two tokens of a request that runs alone', atLeast(0), 10)
    .option('--kv-blocks <number>', 'blocks in the KV cache', whole(1), 8192)
    .option('--block-size <number>', 'tokens in a block', whole(1), 16)
    .option('--data-parallel-size <number>', 'engines behind the address', whole(1, 1024), 1)
    .option('--api-key <key>', 'bearer token that clients need')
    .action(async (flags: Flags) => {
      const { lora, dataParallelSize, ...rest } = flags
      await runSimulator({ ...rest, loras: lora, ranks: dataParallelSize })
    })
}

/** Starts a worker, prints one line with its URL, and closes it on SIGINT or SIGTERM. */
export async function runSimulator (options: StartOptions): Promise<StartedSimulator> {
  const worker = await startSimulator(options)
  const stop = (): void => {
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
    worker.close().catch(() => { process.exitCode = 1 })
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  process.stdout.write(`simulated worker listening on ${worker.url}\n`)
  return worker
}

function whole (least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return text => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < least || value > most) throw bad(most === Number.MAX_SAFE_INTEGER ? `Not a whole number of ${least} or more.` : `Not a whole number from ${least} to ${most}.`)
    return value
  }
}

function above (least: number): (text: string) => number {
  return text => {
    const value = Number(text)
    if (text.trim() === '' || !(value > least) || value === Infinity) throw bad(`Not a number above ${least}.`)
    return value
  }
}

function atLeast (least: number): (text: string) => number {
  return text => {
    const value = Number(text)
    if (text.trim() === '' || !(value >= least) || value === Infinity) throw bad(`Not a number of ${least} or more.`)
    return value
  }
}

function bad (message: string): InvalidArgumentError {
  return new InvalidArgumentError(message)
}
