// The file of static keys: one key a line, as it is or as a salted hash, with a name and models if you like.
import { createHash, randomBytes } from 'node:crypto'
import { isToken } from './bearer.ts'
import { allowedModels, isCallerName } from './caller.ts'

/** A hash of a key: sha256 over the salt's text and the key. */
export interface SaltedHash {
  /** Hexadecimal, as written. */
  readonly salt: string
  /** 64 hexadecimal digits in lower case. */
  readonly hash: string
}

/** One line of the file. */
export interface KeyLine {
  readonly secret: string | SaltedHash
  readonly name: string | undefined
  /** Undefined = all. */
  readonly models: ReadonlySet<string> | undefined
}

/** A file that cannot be used; the message names file and line, and nothing of what is written there. */
export class KeyFileError extends Error {
  override readonly name = 'KeyFileError'
}

/** A hundred thousand keys with names; a longer file is no list of keys. */
export const longestKeyFile: number = 16 * 1024 * 1024
/** An unknown key is hashed once with every salt of the file: so many cost about as much as answering the request. */
export const mostSalts = 64
/** Shorter keys can be guessed from a fast hash. */
export const shortestHashedKey = 16

const hashPrefix = 'sha256:'

/** The hash the file has for a key. Keys are random secrets, not passwords: a fast hash cannot be turned round either, and costs no time at every request. */
export function saltedHash (salt: string, key: string): string {
  return createHash('sha256').update(salt).update(key).digest('hex')
}

/** A line of the file for a key. `salt` default: a new one. */
export function formatKeyLine (key: string, about: { name?: string, models?: readonly string[], salt?: string } = {}): string {
  const { name, models = [], salt = randomBytes(16).toString('hex') } = about
  return [
    `${hashPrefix}${salt}:${saltedHash(salt, key)}`,
    ...(name === undefined ? [] : [`name=${name}`]),
    ...(models.length === 0 ? [] : [`models=${models.join(',')}`])
  ].join(' ')
}

/**
 * Reads a file of keys.
 *
 *     # comment
 *     KEY [name=NAME] [models=MODEL,MODEL]
 *     sha256:SALT:HASH [name=NAME] [models=MODEL,MODEL]
 *
 * @param path for errors
 * @throws KeyFileError
 */
export function parseKeyFile (file: Buffer, path: string): KeyLine[] {
  if (file.length > longestKeyFile) throw new KeyFileError(`${path} is longer than ${longestKeyFile} bytes`)
  const lines: KeyLine[] = []
  const seen = new Map<string, number>()
  const salts = new Set<string>()
  for (const [number, text] of linesOf(file)) {
    const bad = (why: string): never => { throw new KeyFileError(`${path} line ${number}: ${why}`) }
    const [key = '', ...attributes] = fieldsOf(text)
    if (key === '' || key.startsWith('#')) continue
    if (!isToken(key)) bad('a key is made of visible ASCII characters')
    const secret = key.startsWith(hashPrefix) ? readHash(key) ?? bad('a hash is written sha256:SALT:HASH, both in hexadecimal, the salt with 16 to 128 digits, the hash with 64') : key
    const id = typeof secret === 'string' ? createHash('sha256').update(secret).digest('hex') : `${secret.salt}:${secret.hash}`
    const other = seen.get(id)
    if (other !== undefined) bad(`the same key stands in line ${other}`)
    seen.set(id, number)
    if (typeof secret !== 'string' && salts.add(secret.salt).size > mostSalts) bad(`more than ${mostSalts} different salts: lines may share one (vllm-router hash-key --file)`)
    lines.push({ secret, ...readAttributes(attributes, bad) })
  }
  return lines
}

/** The salt of the last hash in a file. */
export function lastSalt (file: Buffer, path: string): string | undefined {
  const last = parseKeyFile(file, path).findLast(line => typeof line.secret !== 'string')
  return typeof last?.secret === 'object' ? last.secret.salt : undefined
}

/** Each line with its number; read one by one, so that no part of one keeps the whole file in memory. */
function * linesOf (file: Buffer): Generator<[number: number, text: string]> {
  let start = file[0] === 0xef && file[1] === 0xbb && file[2] === 0xbf ? 3 : 0
  for (let number = 1; start < file.length; number++) {
    const at = file.indexOf(0x0a, start)
    const end = at === -1 ? file.length : at
    yield [number, file.toString('utf8', start, file[end - 1] === 0x0d ? end - 1 : end)]
    start = end + 1
  }
}

/** Words between spaces and tabs. Neither `split` nor a regular expression, which both may keep their text in memory. */
function fieldsOf (text: string): string[] {
  const fields: string[] = []
  let start = -1
  for (let i = 0; i <= text.length; i++) {
    const space = i === text.length || text[i] === ' ' || text[i] === '\t'
    if (!space && start === -1) start = i
    else if (space && start !== -1) {
      fields.push(copied(text.slice(start, i)))
      start = -1
    }
  }
  return fields
}

/** A text of its own: a slice would keep the line it is from, and the key in it. */
function copied (text: string): string {
  return Buffer.from(text).toString()
}

function readHash (field: string): SaltedHash | undefined {
  const [, salt = '', hash = ''] = /^sha256:((?:[0-9a-f]{2}){8,64}):([0-9a-f]{64})$/i.exec(field) ?? []
  return salt === '' ? undefined : { salt, hash: hash.toLowerCase() }
}

function readAttributes (fields: readonly string[], bad: (why: string) => never): Pick<KeyLine, 'name' | 'models'> {
  const given = new Map<string, string>()
  for (const field of fields) {
    const at = field.indexOf('=')
    const name = field.slice(0, Math.max(at, 0))
    if (name !== 'name' && name !== 'models') bad('behind a key may stand name=NAME and models=MODEL,MODEL')
    if (given.has(name)) bad(`${name}= stands there twice`)
    given.set(name, copied(field.slice(at + 1)))
  }
  const name = given.get('name')
  if (name !== undefined && !isCallerName(name)) bad('a name has 1 to 64 visible ASCII characters')
  const models = given.get('models')?.split(',')
  if (models?.includes('') === true) bad('models= takes names with commas between')
  return { name, models: models === undefined ? undefined : allowedModels(models) }
}
