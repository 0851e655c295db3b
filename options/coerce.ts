// One value of one option, from wherever it came: the typed value, or an error of one clear line.
import { isIP } from 'node:net'
import { isNetwork } from '../core/cidr.ts'
import { formatHostPort, parseHostPort } from '../core/host-port.ts'
import { isBootstrapPort, parsePrefillUrl, parseWorkerUrl } from '../core/worker-url.ts'
import type { OptionFormat, OptionSpec, OptionValue } from './spec.ts'

/** A bad option: the message is one line that names the option as given, what was given (never a secret) and what is allowed. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError'
}

type Check = { readonly allowed: string, readonly plural: string, readonly read: (text: string) => string | Refusal }

/** Why a text is not allowed, where the list of what is allowed does not say it. */
interface Refusal { readonly refused: string }

const truths: Readonly<Record<string, boolean>> = { true: true, 1: true, yes: true, false: false, 0: false, no: false }

const refused = (why = ''): Refusal => ({ refused: why })
const matching = (pattern: RegExp) => (text: string) => pattern.test(text) ? text : refused()

const checks: Readonly<Record<OptionFormat, Check>> = {
  hostname: { allowed: 'a host name or an IP address, without a port', plural: 'host names', read: readHostname },
  url: { allowed: 'an http:// or https:// URL', plural: 'http:// or https:// URLs', read: readUrl },
  'prefill-url': {
    allowed: 'an http:// or https:// URL, and maybe a port or none behind it',
    plural: 'http:// or https:// URLs, each maybe with a port or none behind it',
    read: readPrefillUrl
  },
  'service-url': { allowed: 'an http:// or https:// URL', plural: 'http:// or https:// URLs', read: readServiceUrl },
  'header-name': {
    allowed: 'a header name',
    plural: 'header names',
    read: text => matching(/^[!#$%&'*+\-.^_`|~0-9a-z]+$/)(text.toLowerCase())
  },
  path: { allowed: 'a path', plural: 'paths', read: text => text.includes('\0') ? refused() : text },
  'url-path': { allowed: 'a path that starts with /', plural: 'paths that start with /', read: matching(/^\/[\x21-\x7e]*$/) },
  origin: { allowed: 'an origin like https://HOST:PORT', plural: 'origins like https://HOST:PORT', read: readOrigin },
  proxy: {
    allowed: 'an IP address, a network, loopback, linklocal, uniquelocal or true',
    plural: 'IP addresses, networks, loopback, linklocal, uniquelocal or true',
    read: readProxy
  },
  'host-port': { allowed: 'HOST:PORT', plural: 'HOST:PORT texts', read: readHostPort },
  network: { allowed: 'an IP address or a network such as 10.0.0.0/8', plural: 'IP addresses or networks such as 10.0.0.0/8', read: text => isNetwork(text) ? text : refused() },
  token: { allowed: 'visible ASCII characters without spaces', plural: 'texts of visible ASCII characters', read: matching(/^[\x21-\x7e]+$/) },
  label: {
    allowed: 'a label KEY=VALUE',
    plural: 'labels KEY=VALUE',
    read: matching(/^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?=([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?$/)
  },
  namespace: { allowed: 'the name of a namespace', plural: 'names of namespaces', read: matching(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/) },
  service: { allowed: 'the name of a Service', plural: 'names of Services', read: matching(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\.?$/) },
  port: { allowed: 'a port number or the name of a port', plural: 'ports', read: readPort }
}

/** What an option takes, in words that fit after "takes". */
export function allowed (spec: OptionSpec): string {
  switch (spec.type) {
    case 'switch': return 'true or false'
    case 'choice': return spec.choices.length === 1 ? `only ${spec.choices.join()}` : `one of ${spec.choices.join(', ')}`
    case 'string': return spec.format === undefined ? 'a text' : checks[spec.format].allowed
    case 'list': return spec.format === undefined ? 'texts' : checks[spec.format].plural
    default: return range(spec.type === 'integer' ? 'a whole number' : 'a number', spec)
  }
}

/**
 * Checks `raw` and gives it the option's type. A text is read as people write it in flags and environments: a list's is
 * split at commas, while the items of an array are taken as they are.
 *
 * @param as the option's name as given, for the error
 */
export function coerce (spec: OptionSpec, raw: unknown, as: string): OptionValue {
  const value = typeof raw === 'string' ? raw.trim() : raw
  switch (spec.type) {
    // a YAML file has `true` as it is
    case 'list': return coerceList(spec, spec.format === 'proxy' && typeof value === 'boolean' ? (value ? 'true' : '') : value, as)
    case 'switch': {
      const truth = typeof value === 'boolean' ? value : truths[String(value).toLowerCase()]
      return truth ?? fail(spec, raw, as)
    }
    case 'choice': return typeof value === 'string' && spec.choices.includes(value) ? value : fail(spec, raw, as)
    case 'string': return coerceText(spec, value, as)
    default: {
      const number = typeof value === 'string' ? readNumber(value) : value
      const fits = typeof number === 'number' && Number.isFinite(number) &&
        (spec.type === 'number' || Number.isSafeInteger(number)) &&
        number >= (spec.min ?? -Infinity) && number <= (spec.max ?? Infinity) && number > (spec.exclusiveMin ?? -Infinity)
      return fits ? number + 0 : fail(spec, raw, as) // + 0: "-0" is 0
    }
  }
}

function coerceText (spec: OptionSpec & { type: 'string' | 'list' }, raw: unknown, as: string): string {
  // a number is one way to name a port
  const value = spec.format === 'port' && typeof raw === 'number' ? String(raw) : raw
  if (typeof value !== 'string') fail(spec, value, as, 'a text is needed, put it in quotes')
  if (value === '') fail(spec, value, as)
  const read = spec.format === undefined ? value : checks[spec.format].read(value)
  return typeof read === 'string' ? read : fail(spec, value, as, read.refused)
}

function coerceList (spec: OptionSpec & { type: 'list' }, value: unknown, as: string): readonly string[] {
  const given: readonly unknown[] = typeof value === 'string' ? value.split(',') : Array.isArray(value) ? value : fail(spec, value, as)
  const items = spec.type === 'list' && spec.splits === true ? given.flatMap(item => typeof item === 'string' ? item.split(',') : [item]) : given
  const trimmed = items.map(item => typeof item === 'string' ? item.trim() : item).filter(item => item !== '')
  const texts = (spec.format === 'prefill-url' ? withPorts(trimmed) : trimmed)
    .map(item => coerceText(spec, item, as))
  return Object.freeze([...new Set(texts)])
}

function readNumber (text: string): number | undefined {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined
}

function readHostname (text: string): string | Refusal {
  const bare = text.replace(/^\[(.*)\]$/, '$1')
  if (isIP(bare) !== 0) return bare
  return /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?$/i.test(text) && !/^[\d.]+$/.test(text) ? text : refused()
}

function readHostPort (text: string): string | Refusal {
  const address = parseHostPort(text)
  return address === undefined ? refused() : formatHostPort(address)
}

/** A worker's URL in the one form the router uses it. */
function readUrl (text: string): string | Refusal {
  try {
    const { url, rank } = parseWorkerUrl(text)
    return rank === undefined ? url : `${url}@${rank}`
  } catch (error) {
    return refused(error instanceof Error ? error.message : undefined)
  }
}

/** A prefill worker's URL in the one form the router uses it: the port of its bootstrap server behind a space, if it has one. */
function readPrefillUrl (text: string): string | Refusal {
  try {
    const { url, rank, bootstrapPort } = parsePrefillUrl(text)
    return (rank === undefined ? url : `${url}@${rank}`) + (bootstrapPort === undefined ? '' : ` ${bootstrapPort}`)
  } catch (error) {
    return refused(error instanceof Error ? error.message : undefined)
  }
}

/** On a command line a port is a word of its own: it goes to the URL before it. A config file may write it as a number. */
function withPorts (items: readonly unknown[]): unknown[] {
  const joined: unknown[] = []
  for (const item of items) {
    const before = joined.at(-1)
    const word = typeof item === 'number' ? String(item) : item
    if (typeof word === 'string' && isBootstrapPort(word) && typeof before === 'string' && !/\s/.test(before)) joined[joined.length - 1] = `${before} ${word}`
    else joined.push(item)
  }
  return joined
}

/** `*` is any origin. */
function readOrigin (text: string): string | Refusal {
  const url = text !== '*' && URL.canParse(text) ? new URL(text) : undefined
  if (text === '*') return text
  if (url === undefined || url.origin === 'null') return refused()
  return url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '' && url.password === '' ? url.origin : refused('it ends with the port')
}

function readProxy (text: string): string | Refusal {
  if (/^\d+$/.test(text)) return refused('a number of hops cannot be checked: name the addresses of the proxies')
  if (['true', 'loopback', 'linklocal', 'uniquelocal'].includes(text)) return text
  return isNetwork(text) ? text : refused()
}

/** The URL of some other service, which may have a query; kept as it is written. */
function readServiceUrl (text: string): string | Refusal {
  if (!/^https?:\/\/[^\s#]+$/i.test(text) || !URL.canParse(text)) return refused('it is not a URL like https://HOST/PATH')
  const { username, password } = new URL(text)
  return username === '' && password === '' ? text : refused('a URL must not hold credentials')
}

function readPort (text: string): string | Refusal {
  if (/^\d+$/.test(text)) return Number(text) >= 1 && Number(text) <= 65535 ? String(Number(text)) : refused()
  return /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text) ? text : refused()
}

function range (what: string, { min, max, exclusiveMin }: { min?: number, max?: number, exclusiveMin?: number }): string {
  if (exclusiveMin !== undefined) return `${what} greater than ${exclusiveMin}` + (max === undefined ? '' : ` and at most ${max}`)
  if (min !== undefined && max !== undefined) return `${what} from ${min} to ${max}`
  if (min !== undefined) return `${what} of at least ${min}`
  return max === undefined ? what : `${what} of at most ${max}`
}

function fail (spec: OptionSpec, raw: unknown, as: string, why = ''): never {
  const given = spec.secret === true ? 'the value given' : show(raw)
  throw new OptionsError(`${as} takes ${allowed(spec)}, not ${given}${why === '' ? '' : ` (${why})`}`)
}

/** A given value on one line, short, and without the credentials or query a URL may hold. */
export function show (raw: unknown): string {
  if (Array.isArray(raw)) return 'a list'
  if (typeof raw === 'object' && raw !== null) return 'a mapping'
  if (typeof raw !== 'string') return String(raw)
  const harmless = raw.replace(/^(\w+:\/\/)?.*@/s, '$1…@').replace(/[?#].*$/s, '?…')
  const short = harmless.length > 100 ? harmless.slice(0, 100) + '…' : harmless
  return JSON.stringify(short).replace(/[\u007f-\u009f\u2028\u2029]/g, character =>
    '\\u' + character.charCodeAt(0).toString(16).padStart(4, '0'))
}
