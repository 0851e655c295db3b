// Changes members of a JSON object in its raw bytes: those asked for and nothing else, not even a space.
import { eachMember } from '../openai/locate.ts'

/** JSON text, put in as it is. */
export type Json = string | Buffer

/**
 * What becomes of a member: `set` gives it a value or adds it, `replace` gives it a value where it is, `remove` takes it away,
 * `inside` changes members of the object it is (anything else stays).
 */
export type Edit =
  | { readonly set: Json }
  | { readonly replace: Json }
  | { readonly inside: Edits }
  | 'remove'

/** Edits by key. */
export type Edits = ReadonlyMap<string, Edit>

/** New bytes in place of those in [start, end). */
export interface Patch {
  readonly start: number
  readonly end: number
  readonly text: Json
}

/** Edits by key, written as an object. */
export function edits (byKey: Readonly<Record<string, Edit>>): Edits {
  return new Map(Object.entries(byKey))
}

/**
 * The object with the edits made; the same buffer when there is nothing to change; undefined when it is no JSON object. Where a
 * key stands several times, all of them are changed: readers differ in which one counts.
 */
export function splice (body: Buffer, changes: Edits): Buffer | undefined {
  const patches: Patch[] = []
  return addEdits(patches, body, changes, 0, body.length) ? patched(body, patches) : undefined
}

/** Adds the patches that make the edits to the object in [from, to); false when there is none. */
export function addEdits (patches: Patch[], body: Buffer, changes: Edits, from: number, to: number): boolean {
  const members: Array<{ keyStart: number, end: number, removed: boolean }> = []
  const mine: Patch[] = []
  const present = new Set<string>()
  const whole = eachMember(body, (key, keyStart, start, end) => {
    const edit = changes.get(key)
    members.push({ keyStart, end, removed: edit === 'remove' })
    if (edit === undefined || edit === 'remove') return
    present.add(key)
    if ('inside' in edit) addEdits(mine, body, edit.inside, start, end)
    else mine.push({ start, end, text: 'set' in edit ? edit.set : edit.replace })
  }, from, to)
  if (!whole) return false

  const added = [...changes].flatMap(([key, edit]) => edit !== 'remove' && 'set' in edit && !present.has(key) ? [[Buffer.from(`${JSON.stringify(key)}:`), Buffer.from(edit.set)]] : [])
  const lastKept = members.findLastIndex(member => !member.removed)
  members.forEach(({ keyStart, removed }, at) => {
    const next = members[at + 1]
    // with the comma and the space behind it
    if (removed && at < lastKept && next !== undefined) mine.push({ start: keyStart, end: next.keyStart, text: '' })
  })
  // what is removed from the end, and what is added there
  const [first] = members
  const start = members[lastKept]?.end ?? first?.keyStart ?? body.indexOf(0x7b, from) + 1
  const end = lastKept === members.length - 1 ? start : members.at(-1)?.end ?? start
  const text = Buffer.concat(added.flatMap((parts, at) => at > 0 || lastKept >= 0 ? [comma, ...parts] : parts))
  if (end > start || text.length > 0) mine.push({ start, end, text })
  patches.push(...mine)
  return true
}

const comma = Buffer.from(',')

/** The bytes with all patches made, in whatever order they stand; they must not overlap. */
export function patched (body: Buffer, patches: readonly Patch[]): Buffer {
  if (patches.length === 0) return body
  const pieces: Buffer[] = []
  let at = 0
  for (const { start, end, text } of [...patches].sort((one, two) => one.start - two.start || one.end - two.end)) {
    pieces.push(body.subarray(at, start), typeof text === 'string' ? Buffer.from(text) : text)
    at = end
  }
  pieces.push(body.subarray(at))
  return Buffer.concat(pieces)
}
