// Reads the head of an HTTP/1 answer: strict wherever two readers could differ on what it says, or on where the answer ends.
import { errors } from 'undici'
import { WorkerFramingError } from '../errors.ts'
import { malformed, socketFault } from './faults.ts'

/** Longest head of an answer in bytes, and longest trailers: what Node takes (`--max-http-header-size`). */
export const longestHead = 16_384

/** The head of an answer. */
export interface ResponseHead {
  readonly status: number
  /** The words beside the status, each byte a character. */
  readonly message: string
  /** Names and values in turn, as they came, in Latin-1. */
  readonly headers: string[]
  /** Announced bytes of the body; -1 where none are. */
  readonly length: number
  readonly chunked: boolean
  /** The worker keeps the connection after the answer. */
  readonly persistent: boolean
  /** Milliseconds the worker says it keeps an idle connection; undefined where it does not say. */
  readonly keepAliveMs: number | undefined
}

const fields = '(?:[!#$%&\'*+\\-.^_`|~0-9A-Za-z]+:[\\t\\x20-\\x7e\\x80-\\xff]*\\r\\n)*'
/** Status line and fields. Neither folded lines nor bare line ends, space before a colon or control characters. */
const headShape = new RegExp(`^HTTP/1\\.[01] [1-9]\\d\\d(?: [^\\r\\n]*)?\\r\\n${fields}$`)
const fieldsShape = new RegExp(`^${fields}$`)
const lengthShape = /^\d{1,15}$/
/** What a status line that is not complete yet may be. */
const lineStart = 'HTTP/1.'
/** A line end that is none of HTTP's: the head may never be complete. */
const bareEnd = /(?<!\r)\n|\r[^\n]/g

function isBlank (code: number): boolean {
  return code === 0x20 || code === 0x09
}

/** Appends names and values of checked lines to `into`. */
function split (text: string, from: number, into: string[]): void {
  const { length } = text
  let at = from
  while (at < length) {
    const colon = text.indexOf(':', at)
    const end = text.indexOf('\r', colon)
    let start = colon + 1
    let stop = end
    while (start < stop && isBlank(text.charCodeAt(start))) start++
    while (stop > start && isBlank(text.charCodeAt(stop - 1))) stop--
    into.push(text.slice(at, colon), text.slice(start, stop))
    at = end + 2
  }
}

function names (options: string, option: string): boolean {
  return options === option || options.split(',').some(one => one.trim() === option)
}

/**
 * Takes a head apart.
 * @param text status line and fields with their line ends, without the empty line, in Latin-1
 * @throws HTTPParserError, SocketError, WorkerFramingError
 */
export function readHead (text: string): ResponseHead {
  if (!headShape.test(text)) throw malformed('head')
  const status = (text.charCodeAt(9) - 48) * 100 + (text.charCodeAt(10) - 48) * 10 + text.charCodeAt(11) - 48
  const lineEnd = text.indexOf('\r')
  const headers: string[] = []
  split(text, lineEnd + 2, headers)
  let length = -1
  let coding: string | undefined
  let connection = ''
  let keepAliveMs: number | undefined
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? ''
    const value = headers[i + 1] ?? ''
    if (name.length === 10) {
      const lower = name.toLowerCase()
      if (lower === 'connection') connection = connection === '' ? value.toLowerCase() : `${connection},${value.toLowerCase()}`
      else if (lower === 'keep-alive') {
        const seconds = /timeout=(\d{1,9})/.exec(value)?.[1]
        if (seconds !== undefined) keepAliveMs = Number(seconds) * 1000
      }
    } else if (name.length === 14 && name.toLowerCase() === 'content-length') {
      if (length !== -1 || !lengthShape.test(value)) throw malformed('content-length')
      length = Number(value)
    } else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
      coding = coding === undefined ? value.toLowerCase() : `${coding},${value.toLowerCase()}`
    }
  }
  if (status < 200) {
    // nobody asked for either of them: what follows would not be an answer, or not to this request
    if (status === 100) throw socketFault('bad response')
    if (status === 101) throw socketFault('bad upgrade')
  } else {
    if (coding !== undefined && (coding !== 'chunked' || length !== -1)) throw new WorkerFramingError()
    if (status === 204 && length > 0) throw new errors.ResponseContentLengthMismatchError()
  }
  // with HTTP/1.0 a coding of the transfer is not to be relied on (RFC 9112 §6.1): nothing follows it
  const persistent = text.charCodeAt(7) === 0x31 ? !names(connection, 'close') : coding === undefined && names(connection, 'keep-alive') && !names(connection, 'close')
  return { status, message: text.slice(13, Math.max(13, lineEnd)), headers, length, chunked: coding !== undefined, persistent, keepAliveMs }
}

/** Takes trailers apart. @throws HTTPParserError */
export function readTrailers (text: string): string[] {
  if (!fieldsShape.test(text)) throw malformed('trailers')
  const trailers: string[] = []
  split(text, 0, trailers)
  return trailers
}

/**
 * Looks at a head, or at trailers, of which the end has not come: one that can never be complete is refused at once.
 * @param seen characters looked at before
 * @throws HTTPParserError, HeadersOverflowError
 */
export function checkPartial (text: string, seen: number, trailers: boolean): void {
  if (!trailers && !text.startsWith(lineStart) && !lineStart.startsWith(text)) throw malformed('status line')
  bareEnd.lastIndex = Math.max(0, seen - 1)
  if (bareEnd.test(text)) throw malformed('line end')
  if (text.length >= longestHead + 4) throw new errors.HeadersOverflowError()
}
