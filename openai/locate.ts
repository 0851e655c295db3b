// Finds fields of a JSON object in its raw bytes, in one pass and without parsing: what is not asked for is only skipped.

/** Where a value lies: `start` is its first byte, `end` the one after its last. */
export interface Span {
  readonly start: number
  readonly end: number
}

const quote = 0x22
const comma = 0x2c
const colon = 0x3a
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/**
 * Spans of the fields called `names` at the top level of the object in [from, to). Of equal keys the last one counts, as it
 * does for the worker; a key may be written with escapes; whitespace around the object and a UTF-8 byte order mark are let
 * pass. Undefined when there is no JSON object, or one that is cut off or broken in a way the scan notices. It notices less
 * than a parser, but never fails on what a parser accepts, never throws, and takes time linear in the length of the body.
 */
export function locateFields (body: Buffer, names: ReadonlySet<string>, from = 0, to = body.length): Map<string, Span> | undefined {
  const found = new Map<string, Span>()
  const lengths = byLength(names)
  const whole = scanMembers(body, (keyStart, keyEnd, escaped, start, end) => {
    const key = escaped ? parseString(body, keyStart, keyEnd) : named(body, keyStart + 1, keyEnd - 1, lengths)
    if (escaped && key === undefined) return false
    if (key !== undefined && (!escaped || names.has(key))) found.set(key, { start, end })
    return true
  }, from, to)
  return whole ? found : undefined
}

/**
 * Calls `visit` with each member of the JSON object in [from, to): its key, where the key's first quote stands, and the span of
 * its value. False when there is no object, or a broken one (see `locateFields`); some members may have been visited then.
 */
export function eachMember (body: Buffer, visit: (key: string, keyStart: number, start: number, end: number) => void, from = 0, to = body.length): boolean {
  return scanMembers(body, (keyStart, keyEnd, escaped, start, end) => {
    const key = escaped ? parseString(body, keyStart, keyEnd) : body.toString('utf8', keyStart + 1, keyEnd - 1)
    if (key === undefined) return false
    visit(key, keyStart, start, end)
    return true
  }, from, to)
}

/** Names that are looked for, by their lengths in bytes. */
type Lengths = ReadonlyArray<readonly string[] | undefined>

const lengthsOf = new WeakMap<ReadonlySet<string>, Lengths>()

function byLength (names: ReadonlySet<string>): Lengths {
  const known = lengthsOf.get(names)
  if (known !== undefined) return known
  const lengths: string[][] = []
  for (const name of names) {
    const length = Buffer.byteLength(name)
    lengths[length] = [...lengths[length] ?? [], name]
  }
  lengthsOf.set(names, lengths)
  return lengths
}

/** The name that stands in [start, end), without making a string of what is none of them. */
function named (body: Buffer, start: number, end: number, lengths: Lengths): string | undefined {
  const length = end - start
  for (const name of lengths[length] ?? none) {
    let at = 0
    while (at < length && body[start + at] === name.charCodeAt(at)) at++
    if (at === length) return name
    // not ASCII: bytes and characters are not the same
    if (name.length !== length && body.toString('utf8', start, end) === name) return name
  }
  return undefined
}

const none: readonly string[] = []

/** Goes through the members of an object; `visit` gets where the key with its quotes lies, and answers false where it is broken. */
function scanMembers (
  body: Buffer, visit: (keyStart: number, keyEnd: number, escaped: boolean, start: number, end: number) => boolean, from: number, to: number
): boolean {
  to = Math.min(to, body.length)
  let pos = skipSpace(body, skipMark(body, from), to)
  if (pos >= to || body[pos] !== openBrace) return false
  pos = skipSpace(body, pos + 1, to)
  if (pos < to && body[pos] === closeBrace) return skipSpace(body, pos + 1, to) === to
  while (pos < to && body[pos] === quote) {
    const keyStart = pos
    let escaped = false
    for (pos++; pos < to && body[pos] !== quote; pos++) {
      if (body[pos] === backslash) {
        escaped = true
        pos++
      }
    }
    const keyEnd = pos + 1
    pos = skipSpace(body, keyEnd, to)
    if (pos >= to || body[pos] !== colon) return false
    const start = skipSpace(body, pos + 1, to)
    const end = valueEnd(body, start, to)
    if (end === -1) return false
    if (!visit(keyStart, keyEnd, escaped, start, end)) return false
    pos = skipSpace(body, end, to)
    if (pos >= to) return false
    if (body[pos] === closeBrace) return skipSpace(body, pos + 1, to) === to
    if (body[pos] !== comma) return false
    pos = skipSpace(body, pos + 1, to)
  }
  return false
}

/** Calls `visit` with each element of the JSON array at `span` until it answers true; a broken array ends where it breaks. */
export function eachElement (body: Buffer, span: Span, visit: (element: Span) => boolean | void): void {
  const to = Math.min(span.end, body.length)
  if (span.start >= to || body[span.start] !== openBracket) return
  let pos = skipSpace(body, span.start + 1, to)
  while (pos < to && body[pos] !== closeBracket) {
    const end = valueEnd(body, pos, to)
    if (end === -1 || visit({ start: pos, end }) === true) return
    pos = skipSpace(body, end, to)
    if (pos >= to || body[pos] !== comma) return
    pos = skipSpace(body, pos + 1, to)
  }
}

/** The string at `span`; undefined when the value is anything else. */
export function readString (body: Buffer, span: Span): string | undefined {
  if (!isString(body, span)) return undefined
  const text = body.toString('utf8', span.start + 1, span.end - 1)
  return text.includes('\\') ? parseString(body, span.start, span.end) : text
}

/** The string at `span`, or the number there as it is written; undefined when the value is anything else. */
export function readText (body: Buffer, span: Span): string | undefined {
  if (isString(body, span)) return readString(body, span)
  const first = body[span.start] ?? 0
  const number = first === 0x2d || (first >= 0x30 && first <= 0x39)
  return number ? body.toString('latin1', span.start, span.end) : undefined
}

/** The boolean at `span`; undefined when the value is anything else. */
export function readBoolean (body: Buffer, span: Span): boolean | undefined {
  const length = span.end - span.start
  if (length !== 4 && length !== 5) return undefined
  const word = body.toString('latin1', span.start, span.end)
  return word === 'true' ? true : word === 'false' ? false : undefined
}

/** Whether the value at `span` is `null`. */
export function isNull (body: Buffer, span: Span): boolean {
  return span.end - span.start === 4 && body.toString('latin1', span.start, span.end) === 'null'
}

function isString (body: Buffer, span: Span): boolean {
  return span.end - span.start >= 2 && body[span.start] === quote && body[span.end - 1] === quote
}

function parseString (body: Buffer, start: number, end: number): string | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8', start, end))
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  }
}

function skipMark (body: Buffer, pos: number): number {
  return body[pos] === 0xef && body[pos + 1] === 0xbb && body[pos + 2] === 0xbf ? pos + 3 : pos
}

function isSpace (byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

function skipSpace (body: Buffer, pos: number, to: number): number {
  while (pos < to && isSpace(body[pos])) pos++
  return pos
}

/** The byte after the value that starts at `pos`, or -1 when it does not end before `to`. */
function valueEnd (body: Buffer, pos: number, to: number): number {
  if (pos >= to) return -1
  const first = body[pos]
  if (first === quote) return stringEnd(body, pos + 1, to)
  if (first === openBrace || first === openBracket) return containerEnd(body, pos, to)
  const start = pos
  while (pos < to && isScalar(body[pos])) pos++
  return pos === start ? -1 : pos
}

/** Part of a number, `true`, `false`, `null`, or of Python's `NaN` and `Infinity`. */
function isScalar (byte = 0): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x41 && byte <= 0x5a) ||
    byte === 0x2d || byte === 0x2e || byte === 0x2b
}

/** Counts brackets of both kinds as one: a pair that does not match is for the worker to refuse. */
function containerEnd (body: Buffer, pos: number, to: number): number {
  let depth = 0
  while (pos < to) {
    const byte = body[pos] ?? 0
    if (byte === quote) {
      pos = stringEnd(body, pos + 1, to)
      if (pos === -1) return -1
      continue
    }
    const either = byte | 0x20 // makes a brace of a bracket
    if (either === openBrace) depth++
    else if (either === closeBrace && --depth === 0) return pos + 1
    pos++
  }
  return -1
}

/** The byte after the quote that closes the string whose text starts at `pos`, or -1. */
function stringEnd (body: Buffer, pos: number, to: number): number {
  while (pos < to) {
    const at = nextQuote(body, pos)
    if (at === -1 || at >= to) return -1
    // A quote stands before `pos`: counting back ends there at the latest, so no byte is counted twice.
    let before = at
    while (body[before - 1] === backslash) before--
    if ((at - before) % 2 === 0) return at + 1
    pos = at + 1
  }
  return -1
}

/** Bytes looked at one by one: most strings are short, and asking for a search costs as much as these. */
const near = 48

function nextQuote (body: Buffer, pos: number): number {
  const to = Math.min(pos + near, body.length)
  for (; pos < to; pos++) if (body[pos] === quote) return pos
  return body.indexOf(quote, pos)
}
