// Changes the decode worker's answer on its way to the client: the prompt's side of it is the prefill worker's.
import type { Rewrite, StreamChange, WholeChange } from '../core/delivery.ts'
import { headerIn } from '../core/headers.ts'
import { isEventStream } from '../core/relay.ts'
import { mergeAnswer } from './merge.ts'
import type { PrefillAnswer } from './prefill-answer.ts'

/** Longest event of a stream that is looked into; a longer one passes as it is. */
export const longestEvent = 1024 * 1024
/** Longest answer in one piece that is held until it is complete; a longer one passes as it is. */
export const longestAnswer = 8 * 1024 * 1024

/** What a rewrite works with. */
export interface RewriteOptions {
  /** What the prefill worker told; it may come while the answer does, where both legs run at the same time. */
  readonly prefill: () => PrefillAnswer | undefined
  /** The id both legs went by, and the request's own, which is the client's to see. */
  readonly id?: { readonly legs: string, readonly own: string } | undefined
  /** Something was too long to be looked into. */
  readonly passed: () => void
}

/** A rewrite of one decode answer. */
export function answerRewrite (options: RewriteOptions): Rewrite {
  return {
    begin (status, headers) {
      if (status < 200 || status > 299) return undefined
      if (isEventStream(headers)) return new EventChange(options)
      const json = headerIn(headers, 'content-type')?.toLowerCase().startsWith('application/json') === true
      return json && headerIn(headers, 'content-encoding') === undefined ? wholeChange(options) : undefined
    }
  }
}

function wholeChange (options: RewriteOptions): WholeChange {
  const { prefill, passed } = options
  const rename = renamer(options)
  return {
    bytes: longestAnswer,
    whole (body) {
      const from = prefill()
      const renamed = rename(body)
      return from === undefined ? renamed : mergeAnswer(renamed, from)
    },
    passed
  }
}

const dataField = Buffer.from('data:')
const usageKey = Buffer.from('"usage"')
const logprobsKey = Buffer.from('"logprobs"')
const none = Buffer.alloc(0)
const lineFeed = 0x0a
const carriageReturn = 0x0d

/**
 * Follows a stream line by line: an event's JSON stands on one. What is held back is the line that is not complete, which no
 * reader could use anyway; pieces without anything to change go on as they came.
 */
class EventChange implements StreamChange {
  private readonly options: RewriteOptions
  private readonly rename: (bytes: Buffer) => Buffer
  private readonly begun = new Set<number>()
  private held: Buffer[] = []
  private size = 0
  /** In a line that was too long. */
  private passing = false

  constructor (options: RewriteOptions) {
    this.options = options
    this.rename = renamer(options)
  }

  push (chunk: Buffer): Buffer {
    const end = afterLastLine(chunk)
    if (end === 0) return this.hold(chunk)
    if (this.passing) {
      this.passing = false
      const first = Math.min(...[chunk.indexOf(lineFeed), chunk.indexOf(carriageReturn)].filter(at => at !== -1)) + 1
      return Buffer.concat([chunk.subarray(0, first), this.push(chunk.subarray(first))])
    }
    const before = this.held
    const complete = end === chunk.length ? chunk : chunk.subarray(0, end)
    this.size = chunk.length - end
    this.held = this.size === 0 ? [] : [chunk.subarray(end)]
    return this.lines(before.length === 0 ? complete : Buffer.concat([...before, complete]))
  }

  end (): Buffer {
    const rest = Buffer.concat(this.held)
    this.held = []
    this.size = 0
    return rest
  }

  private hold (piece: Buffer): Buffer {
    if (this.passing || piece.length === 0) return piece
    this.held.push(piece)
    this.size += piece.length
    if (this.size <= longestEvent) return none
    this.passing = true
    this.options.passed()
    return this.end()
  }

  /** Changes complete lines. */
  private lines (lines: Buffer): Buffer {
    const renamed = this.rename(lines)
    const from = this.options.prefill()
    if (from === undefined) return renamed
    const keys = [usageKey, ...(from.choices.size > 0 ? [logprobsKey] : [])]
    const pieces: Buffer[] = []
    let at = 0
    while (true) {
      const found = keys.map(key => renamed.indexOf(key, at)).filter(position => position !== -1)
      if (found.length === 0) break
      const [start, end] = lineAround(renamed, Math.min(...found))
      const changed = this.line(renamed.subarray(start, end), from)
      pieces.push(renamed.subarray(at, start), changed)
      at = end
    }
    return at === 0 ? renamed : Buffer.concat([...pieces, renamed.subarray(at)])
  }

  private line (line: Buffer, from: PrefillAnswer): Buffer {
    if (!line.subarray(0, dataField.length).equals(dataField)) return line
    if (line.length > longestEvent) {
      this.options.passed()
      return line
    }
    const json = line.subarray(dataField.length)
    const merged = mergeAnswer(json, from, this.begun)
    return merged === json ? line : Buffer.concat([dataField, merged])
  }
}

/** The position after the last line end; 0 when there is none. */
function afterLastLine (bytes: Buffer): number {
  const feed = bytes.lastIndexOf(lineFeed) + 1
  return feed === bytes.length ? feed : Math.max(feed, bytes.lastIndexOf(carriageReturn) + 1)
}

/** Where the line begins and ends that `position` stands in. */
function lineAround (bytes: Buffer, position: number): [start: number, end: number] {
  let start = position
  while (start > 0 && bytes[start - 1] !== lineFeed && bytes[start - 1] !== carriageReturn) start--
  let end = position
  while (end < bytes.length && bytes[end] !== lineFeed && bytes[end] !== carriageReturn) end++
  return [start, end]
}

/** Puts the request's own id in the place of the legs'. */
function renamer ({ id }: RewriteOptions): (bytes: Buffer) => Buffer {
  if (id === undefined) return bytes => bytes
  const legs = Buffer.from(id.legs)
  const own = Buffer.from(JSON.stringify(id.own).slice(1, -1))
  return bytes => {
    const pieces: Buffer[] = []
    let at = 0
    for (let found = bytes.indexOf(legs); found !== -1; found = bytes.indexOf(legs, at)) {
      pieces.push(bytes.subarray(at, found), own)
      at = found + legs.length
    }
    return at === 0 ? bytes : Buffer.concat([...pieces, bytes.subarray(at)])
  }
}
