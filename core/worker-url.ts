// Reads the URL of a worker as people write it: `http://host:port[/path][@rank]`.
import { loosePath } from './request-target.ts'

/** A worker's address taken apart. */
export interface WorkerUrl {
  /** Base URL as written, but for trailing slashes: hashing policies place workers by this text. */
  readonly url: string
  /** The data-parallel rank after `@`, if one was given. */
  readonly rank: number | undefined
}

/** True for what `parseWorkerUrl` can take apart. */
export function isWorkerUrl (text: string): boolean {
  try {
    parseWorkerUrl(text)
    return true
  } catch {
    return false
  }
}

/** Longer ones are a mistake, and stand in every log line about the worker. */
const longest = 2048

/** What a worker's URL may look like. Parsers forgive much more, each in its own way: then what is written is not what is meant. */
const shape = /^https?:\/\/(?:\[[\da-f:.]+\]|[\w.-]+)(?::\d{1,5})?(\/[\w.~!$&'()*+,;=:@%/-]*)?$/i

/**
 * Takes a worker's URL apart.
 * @throws Error whose message says what is wrong without repeating the URL, which may hold a credential
 */
export function parseWorkerUrl (text: string): WorkerUrl {
  if (text.length > longest) throw new Error(`it is longer than ${longest} characters`)
  const [, address = text, rank] = /^(.*?)(?:@(\d{1,5}))?$/s.exec(text.trim()) ?? []
  if (/^grpcs?:/i.test(address)) throw new Error('gRPC workers are not supported')
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url === undefined || !/^https?:\/\//i.test(address)) throw new Error('it is not a URL like http://HOST:PORT')
  if (url.username !== '' || url.password !== '') throw new Error('a URL must not hold credentials: use the option api-key')
  if (/[?#\s]/.test(address)) throw new Error('a query, a fragment or a space cannot be part of it')
  if (url.hostname.includes(',')) throw new Error('several URLs are separated by spaces after the flag, by commas in the environment')
  const written = shape.exec(address)
  if (written === null || url.port === '0') throw new Error('it is not a URL like http://HOST:PORT')
  if (loosePath(written[1] ?? '/') === undefined) throw new Error('its path leads elsewhere, or has escapes that are none')
  return { url: address.replace(/\/+$/, ''), rank: rank === undefined ? undefined : Number(rank) }
}

/** A prefill worker's address taken apart. */
export interface PrefillUrl extends WorkerUrl {
  readonly bootstrapPort: number | undefined
}

/** True for a word that may follow a prefill worker's URL: the port of its bootstrap server, or `none`. */
export function isBootstrapPort (word: string): boolean {
  return /^none$/i.test(word) || (/^\d{1,5}$/.test(word) && Number(word) >= 1 && Number(word) <= 65_535)
}

/**
 * Takes a prefill worker's address apart: `URL`, `URL PORT` or `URL none`.
 * @throws Error whose message says what is wrong without repeating the URL
 */
export function parsePrefillUrl (text: string): PrefillUrl {
  const [address = '', port, ...more] = text.trim().split(/\s+/)
  if (more.length > 0 || (port !== undefined && !isBootstrapPort(port))) throw new Error('only a port from 1 to 65535 or none may follow the URL')
  return { ...parseWorkerUrl(address), bootstrapPort: port === undefined || /none/i.test(port) ? undefined : Number(port) }
}
