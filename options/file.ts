// Options from a YAML or JSON file (JSON is read as the YAML it is).
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Document } from 'yaml'
import { OptionsError } from './coerce.ts'
import { camelCase, comesFrom, type GivenOptions, longNames, type OptionSpec } from './spec.ts'
import { suggest } from './suggest.ts'

/**
 * Reads a config file. Keys are the options' names as flags without dashes, or in camelCase; a key without a value counts as
 * not given.
 *
 * @param path as given; a relative one is in `cwd`
 * @param as how the path was given, for errors
 */
export async function readConfigFile (specs: readonly OptionSpec[], path: string, as: string, cwd: string): Promise<GivenOptions> {
  const names = new Map(specs.flatMap(spec => longNames(spec).flatMap(name => [[name, spec], [camelCase(name), spec]] as const)))
  const given: GivenOptions = new Map()
  for (const [key, raw] of Object.entries(await parse(await read(path, as, cwd), path))) {
    const spec = names.get(key)
    if (spec === undefined) {
      const known = [...names].filter(([, one]) => comesFrom(one, 'file')).map(([name]) => name)
      throw new OptionsError(`unknown option ${JSON.stringify(key)} in ${path}${suggest(key, known)}`)
    }
    if (!comesFrom(spec, 'file')) throw new OptionsError(`${key} is not allowed in ${path}: it is an option of the command line`)
    const other = given.get(spec.name)
    if (other !== undefined) throw new OptionsError(`${key} and ${other.as} are the same option, give only one of them`)
    if (raw !== null && raw !== '') given.set(spec.name, { origin: 'file', as: `${key} in ${path}`, raw })
  }
  return given
}

async function read (path: string, as: string, cwd: string): Promise<string> {
  try {
    return await readFile(resolve(cwd, path), 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    const reason = ({ ENOENT: 'there is no such file', EACCES: 'it may not be read', EISDIR: 'it is a folder' })[code] ?? code
    throw new OptionsError(`${as} takes a YAML or JSON file, not ${JSON.stringify(path)}: ${reason}`, { cause: error })
  }
}

async function parse (text: string, path: string): Promise<Record<string, unknown>> {
  // most start without a file
  const { LineCounter, parseDocument } = await import('yaml')
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter, prettyErrors: false })
  const [error] = document.errors
  if (error !== undefined) {
    const { line, col } = lineCounter.linePos(error.pos[0])
    const [reason] = error.message.split(/[:;\\]/) // what follows may quote the file, and so a secret
    throw new OptionsError(`${path} takes YAML or JSON, and line ${line}, column ${col} is neither: ${reason}`)
  }
  const content = toJs(document, path)
  if (content === null || content === undefined) return {}
  if (typeof content === 'object' && !Array.isArray(content)) return { ...content }
  throw new OptionsError(`${path} takes options as "name: value", not ${Array.isArray(content) ? 'a list' : 'a single value'}`)
}

function toJs (document: Pick<Document, 'toJS'>, path: string): unknown {
  try {
    return document.toJS()
  } catch {
    throw new OptionsError(`${path} uses a YAML alias that has no anchor before it, or too many aliases`)
  }
}
