// The subcommand `hash-key`: makes a line for the file of API keys, from a key on standard input or a new one.
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline/promises'
import { Command } from 'commander'
import { isToken } from '../auth/bearer.ts'
import { isCallerName } from '../auth/caller.ts'
import { formatKeyLine, lastSalt, shortestHashedKey } from '../auth/key-file.ts'
import { OptionsError } from '../options.ts'

interface Flags {
  readonly name?: string
  readonly models?: readonly string[]
  readonly file?: string
  readonly generate?: true
}

/** Prints a line, and a new key beside it on standard error. */
export async function hashKeyCommand (argv: readonly string[]): Promise<void> {
  const program = new Command('vllm-router hash-key')
    .description('Reads an API key from standard input and prints a line for --api-keys-file that lets it in without naming it.')
    .exitOverride(error => process.exit(error.exitCode === 0 ? 0 : 2))
    .option('--generate', 'make a new key, and print it on standard error: it is nowhere else')
    .option('--name <name>', 'name of the caller in logs and metrics')
    .option('--models <model...>', 'models the key is limited to')
    .option('--file <file>', 'the file the line is for: the salt of its hashes is used again, so that there are few')
    .parse([...argv], { from: 'user' })
  const { name, models, file, generate } = program.opts<Flags>()
  if (name !== undefined && !isCallerName(name)) throw new OptionsError('--name takes 1 to 64 visible ASCII characters')
  const names = models?.flatMap(list => list.split(',')).filter(model => model !== '')
  if (names?.some(model => /\s/.test(model)) === true) throw new OptionsError('--models takes names without spaces')
  const before = file === undefined ? Buffer.alloc(0) : await readIfThere(file)
  const key = generate === true ? `sk-${randomBytes(32).toString('base64url')}` : await readKey()
  const salt = file === undefined ? undefined : lastSalt(before, file)
  const line = formatKeyLine(key, { ...(name === undefined ? {} : { name }), ...(names === undefined ? {} : { models: names }), ...(salt === undefined ? {} : { salt }) })
  if (generate === true) process.stderr.write(`${key}\n`)
  // a file that does not end with a line break would have the line behind its last one
  process.stdout.write(`${before.length > 0 && before.at(-1) !== 0x0a ? '\n' : ''}${line}\n`)
}

async function readIfThere (path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}

async function readKey (): Promise<string> {
  if (process.stdin.isTTY) process.stderr.write('API key: ')
  const lines = createInterface({ input: process.stdin })
  const first = await lines[Symbol.asyncIterator]().next()
  lines.close()
  const key = first.done === true ? '' : first.value.trim()
  if (!isToken(key)) throw new OptionsError('standard input must bring an API key: one line of visible ASCII characters without spaces')
  if (key.length < shortestHashedKey) throw new OptionsError(`an API key needs at least ${shortestHashedKey} characters: its hash is a fast one, so it must be random (--generate makes one)`)
  return key
}
