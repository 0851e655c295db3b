// Reads traces from files: Mooncake's JSON lines, Azure's CSV, recorded agent sessions, and the router's own recordings.
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { endsOf } from '../../openai/prefix-chain.ts'
import { PrefixNumbers } from './trace.ts'
import type { Arrival, ClosedTrace, OpenTrace, Trace, Turn } from './trace.ts'

/** A file that is not what its format says. */
export class TraceError extends Error {}

type Row = Readonly<Record<string, unknown>>

function numberOf (row: Row, name: string, where: string): number {
  const value = row[name]
  if (typeof value !== 'number' || !(value >= 0)) throw new TraceError(`${where}: ${name} must be a number of 0 or more, not ${JSON.stringify(value)}`)
  return value
}

function idsOf (row: Row, name: string, where: string): Array<string | number> {
  const value = row[name]
  if (!Array.isArray(value) || !value.every((id): id is string | number => typeof id === 'number' || typeof id === 'string')) {
    throw new TraceError(`${where}: ${name} must be an array of block ids`)
  }
  return value
}

function parse (text: string, where: string): Row {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Row
  } catch {
    // said below
  }
  throw new TraceError(`${where}: not a JSON object`)
}

const byMoment = (one: Arrival, two: Arrival): number => one.at - two.at

/** Tokens in a block of Mooncake's traces (FAST'25 release, `hash_ids`). */
const mooncakeBlock = 512

/** JSON lines with `timestamp` (ms), `input_length`, `output_length` and `hash_ids`, whose ids stand for a block and all before it. */
function mooncake (file: string, numbers: PrefixNumbers): OpenTrace {
  const arrivals = readFileSync(file, 'utf8').split('\n').flatMap((line, at): Arrival[] => {
    if (line.trim() === '') return []
    const where = `${basename(file)} line ${at + 1}`
    const row = parse(line, where)
    const tokens = Math.max(1, numberOf(row, 'input_length', where))
    return [{
      at: numberOf(row, 'timestamp', where),
      tokens,
      output: Math.max(1, numberOf(row, 'output_length', where)),
      blocks: numbers.chain(idsOf(row, 'hash_ids', where).slice(0, Math.floor(tokens / mooncakeBlock))),
      session: undefined
    }]
  })
  return { name: basename(file).replace(/\.[^.]*$/, ''), loop: 'open', blockSize: mooncakeBlock, arrivals: arrivals.sort(byMoment) }
}

/** CSV with `TIMESTAMP,ContextTokens,GeneratedTokens`; nothing is known to be shared. */
function azure (file: string): OpenTrace {
  const [, ...lines] = readFileSync(file, 'utf8').split(/\r?\n/)
  let first: number | undefined
  const arrivals = lines.flatMap((line, index): Arrival[] => {
    if (line.trim() === '') return []
    const where = `${basename(file)} line ${index + 2}`
    const [stamp = '', context = '', generated = ''] = line.split(',')
    // seven decimals of a second; a Date takes three
    const at = Date.parse(stamp.slice(0, 23).replace(' ', 'T') + 'Z')
    if (Number.isNaN(at)) throw new TraceError(`${where}: TIMESTAMP must be a date, not ${JSON.stringify(stamp)}`)
    first ??= at
    const tokens = numberOf({ ContextTokens: Number(context) }, 'ContextTokens', where)
    const output = numberOf({ GeneratedTokens: Number(generated) }, 'GeneratedTokens', where)
    return [{ at: at - first, tokens: Math.max(1, tokens), output: Math.max(1, output), blocks: [], session: undefined }]
  })
  return { name: basename(file).replace(/\.[^.]*$/, ''), loop: 'open', blockSize: 16, arrivals: arrivals.sort(byMoment) }
}

/** One recorded session a file: `id`, `block_size`, `requests[]` with `in`, `out`, `hash_ids` (local to the session) and `think_time` in seconds. */
function sessions (files: readonly string[], numbers: PrefixNumbers): ClosedTrace {
  let blockSize: number | undefined
  const rows = files.map((file): Turn[] => {
    const where = basename(file)
    const session = parse(readFileSync(file, 'utf8'), where)
    const size = numberOf(session, 'block_size', where)
    if (blockSize !== undefined && blockSize !== size) throw new TraceError(`${where}: block_size ${size} differs from ${blockSize} of the files before`)
    blockSize = size
    const { requests } = session
    if (!Array.isArray(requests) || requests.length === 0) throw new TraceError(`${where}: requests must be an array that is not empty`)
    const id = String(session['id'] ?? where)
    const root = numbers.after(0, `session ${id}`)
    // an entry for a sub-agent only sums up requests that are not told one by one
    const read = (requests as Row[]).filter(row => row['type'] !== 'subagent').map((row, at) => {
      const of = `${where} request ${at + 1}`
      return {
        tokens: Math.max(1, numberOf(row, 'in', of)),
        output: Math.max(1, numberOf(row, 'out', of)),
        chain: numbers.chain(idsOf(row, 'hash_ids', of), root),
        thinkMs: typeof row['think_time'] === 'number' ? row['think_time'] * 1000 : 0
      }
    })
    return read.map(({ tokens, output, chain, thinkMs }, at) => {
      const prompt = chain.slice(0, Math.floor(tokens / size))
      // the next turn's prompt goes on where this answer ends: its blocks are those of the answer
      const next = read[at + 1]?.chain ?? []
      const goesOn = prompt.length === 0 || next[prompt.length - 1] === prompt.at(-1)
      const answered = goesOn ? next.slice(prompt.length, Math.floor((tokens + output) / size)) : []
      return { tokens, output, blocks: [...prompt, ...answered], thinkMs, session: id }
    })
  })
  return { name: 'agent-sessions', loop: 'closed', blockSize: blockSize ?? 64, sessions: rows }
}

/** Tokens in a block of a recording's replay, where a prompt's first blocks have 256 bytes. */
const recordedBlock = 64

/** Where blocks end, in bytes: so many of so many bytes each, one run after the other. */
function recordedEnds (head: Row, where: string): number[] {
  const runs = head['block_ends']
  const pair = (run: unknown): run is [number, number] => Array.isArray(run) && run.length === 2 && run.every(one => Number.isSafeInteger(one) && one > 0)
  if (head['version'] !== 1 || !Array.isArray(runs) || !runs.every(pair)) throw new TraceError(`${where}: not the beginning of a recording of version 1`)
  if (runs.reduce((sum, [blocks]) => sum + blocks, 0) > 1_000_000) throw new TraceError(`${where}: block_ends has more blocks than a prompt can have`)
  return endsOf(runs)
}

/**
 * What the router's `--record-trace` wrote: a line on the form, then a line a request as in Mooncake's traces, with `input_bytes` and blocks of bytes.
 * Blocks of bytes become blocks of 64 tokens by the mean bytes of a token over the whole recording: a part of a block is as much shared as the block.
 */
function recorded (file: string, numbers: PrefixNumbers): OpenTrace {
  const name = basename(file)
  const [head = '', ...lines] = readFileSync(file, 'utf8').split('\n')
  const ends = recordedEnds(parse(head, `${name} line 1`), `${name} line 1`)
  const rows = lines.flatMap((line, at) => {
    if (line.trim() === '') return []
    const where = `${name} line ${at + 2}`
    const row = parse(line, where)
    const session = row['session']
    return [{
      at: numberOf(row, 'timestamp', where),
      tokens: Math.max(1, Math.round(numberOf(row, 'input_length', where))),
      output: Math.max(1, Math.round(numberOf(row, 'output_length', where))),
      bytes: numberOf(row, 'input_bytes', where),
      ids: idsOf(row, 'hash_ids', where),
      session: typeof session === 'string' ? session : undefined
    }]
  })
  const bytes = rows.reduce((sum, row) => sum + row.bytes, 0)
  const perToken = Math.max(0.1, bytes / Math.max(1, rows.reduce((sum, { tokens }) => sum + tokens, 0)))
  const arrivals = rows.map(({ at, tokens, output, ids, session }): Arrival => {
    const chain = numbers.chain(ids)
    const blocks: number[] = []
    let of = 0
    for (let block = 0; block < Math.floor(tokens / recordedBlock); block++) {
      const end = (block + 1) * recordedBlock * perToken
      while (of < chain.length && (ends[of] ?? Infinity) < end) of++
      const within = chain[of]
      if (within === undefined) break
      blocks.push(numbers.after(within, `part ${block}`))
    }
    return { at, tokens, output, blocks, session }
  })
  return { name: name.replace(/\.[^.]*$/, ''), loop: 'open', blockSize: recordedBlock, arrivals: arrivals.sort(byMoment) }
}

/** Formats by name. */
export const formatNames = ['mooncake', 'azure', 'session', 'recorded'] as const
export type FormatName = typeof formatNames[number]

/**
 * Reads files of a format; session files make one trace together.
 * @throws TraceError
 */
export function readTraces (format: FormatName, files: readonly string[], numbers: PrefixNumbers): Trace[] {
  const read = reader(format, numbers)
  if (read === undefined) return [sessions(files, numbers)]
  return files.map(file => {
    const trace = read(file)
    if (trace.arrivals.length === 0) throw new TraceError(`${basename(file)} holds no request`)
    return trace
  })
}

function reader (format: FormatName, numbers: PrefixNumbers): ((file: string) => OpenTrace) | undefined {
  switch (format) {
    case 'mooncake': return file => mooncake(file, numbers)
    case 'azure': return azure
    case 'recorded': return file => recorded(file, numbers)
    case 'session': return undefined
  }
}
