// The `simulator` subcommand: a simulated worker from the command line.
import { InvalidArgumentError, Option, type Command } from 'commander'
import type { KvConnector, KvRole } from './kv/settings.ts'
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
  readonly connector?: KvConnector
  readonly role?: KvRole
  readonly kvTransferMode: 'pull' | 'push'
  readonly kvTransferMsPerToken: number
  readonly kvHoldTimeoutMs: number
  readonly kvLoadTimeoutMs: number
  readonly kvLoadFailurePolicy: 'fail' | 'recompute'
  readonly kvHost?: string
  readonly kvPort?: number
  readonly bootstrapPort?: number
  readonly tensorParallelSize: number
  readonly register?: string
  readonly exitOnEngineDeath?: boolean
}

/** Milliseconds between a death of the engine and that of the process, for its last answer to leave. */
const lastAnswerMs = 100

/** Adds `simulator` to a program. A bad value or an unknown flag ends the process with exit code 2 and one line of explanation. */
export function addSimulatorCommand (program: Command): Command {
  return program.command('simulator')
    .description('run a simulated vLLM worker')
    .showSuggestionAfterError(false)
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
    .addOption(new Option('--connector <name>', 'how KV blocks travel to other workers (default: not at all)').choices(['nixl', 'mooncake', 'moriio', 'p2p-nccl']))
    .addOption(new Option('--role <name>', 'leg of disaggregated requests it is for (default: both)').choices(['prefill', 'decode', 'both']))
    .addOption(new Option('--kv-transfer-mode <mode>', 'push: both legs at once (MoRI-IO: WRITE)').choices(['pull', 'push']).default('pull'))
    .option('--kv-transfer-ms-per-token <number>', 'milliseconds each prompt token takes to come over', atLeast(0), 0.005)
    .option('--kv-hold-timeout-ms <number>', 'milliseconds blocks are kept for a decode that does not come', atLeast(0), 480_000)
    .option('--kv-load-timeout-ms <number>', 'milliseconds a decode tries to have its blocks', atLeast(0), 5000)
    .addOption(new Option('--kv-load-failure-policy <name>', 'what a decode without its blocks does').choices(['fail', 'recompute']).default('fail'))
    .option('--kv-host <address>', 'address that other workers reach it at (default: that of --host)')
    .option('--kv-port <number>', 'port that other workers fetch blocks from, 0 for any free one (default: 0)', whole(0, 65535))
    .option('--bootstrap-port <number>', "the same, by the name that Mooncake's bootstrap server has", whole(0, 65535))
    .option('--tensor-parallel-size <number>', 'size it tells others', whole(1, 1024), 1)
    .option('--register <host:port>', 'router to announce it to over ZMQ (connectors moriio and p2p-nccl)')
    .option('--exit-on-engine-death', 'end with code 1 at a request that would end a real engine')
    .action(async (flags: Flags, command: Command) => {
      const { lora, dataParallelSize, tensorParallelSize, bootstrapPort, exitOnEngineDeath, ...rest } = flags
      const kvPort = rest.kvPort ?? bootstrapPort
      const onEngineDeath = (): void => { setTimeout(() => process.exit(1), lastAnswerMs) }
      try {
        await runSimulator({
          ...rest,
          loras: lora,
          ranks: dataParallelSize,
          tpSize: tensorParallelSize,
          ...(kvPort === undefined ? {} : { kvPort }),
          ...(exitOnEngineDeath === true ? { onEngineDeath } : {})
        })
      } catch (error) {
        if (!(error instanceof RangeError)) throw error
        command.error(`error: ${error.message}`)
      }
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
