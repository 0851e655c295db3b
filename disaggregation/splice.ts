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
  const mine: Patch[] = []
  const present: string[] = []
  /** Where a row of members that are removed began. */
  let gone = -1
  let first = -1
  let keptEnd = -1
  let lastEnd = -1
  const whole = eachMember(body, (key, keyStart, start, end) => {
    const edit = changes.get(key)
    if (first === -1) first = keyStart
    lastEnd = end
    if (edit === 'remove') {
      if (gone === -1) gone = keyStart
      return
    }
    // with the comma and the space behind it
    if (gone !== -1) mine.push({ start: gone, end: keyStart, text: '' })
    gone = -1
    keptEnd = end
    if (edit === undefined) return
    present.push(key)
    if ('inside' in edit) addEdits(mine, body, edit.inside, start, end)
    else mine.push({ start, end, text: 'set' in edit ? edit.set : edit.replace })
  }, from, to)
  if (!whole) return false

  // what is removed from the end, and what is added there
  const start = keptEnd !== -1 ? keptEnd : first !== -1 ? first : body.indexOf(0x7b, from) + 1
  const end = gone === -1 ? start : lastEnd
  let added = 0
  for (const [key, edit] of changes) {
    if (edit === 'remove' || !('set' in edit) || present.includes(key)) continue
    mine.push({ start: added++ === 0 ? start : end, end, text: `${keptEnd !== -1 || added > 1 ? ',' : ''}${JSON.stringify(key)}:` }, { start: end, end, text: edit.set })
  }
  if (end > start && added === 0) mine.push({ start, end, text: '' })
  for (const patch of mine) patches.push(patch)
  return true
}

/** An object with one member more at its end; for one that is known to have no such member, since it is not looked through. */
export function append (body: Buffer, key: string, value: Json): Buffer | undefined {
  let end = body.lastIndexOf(0x7d)
  if (end === -1) return undefined
  while (end > 0 && isSpace(body[end - 1])) end--
  const empty = body[end - 1] === 0x7b
  return patched(body, [{ start: end, end, text: `${empty ? '' : ','}${JSON.stringify(key)}:` }, { start: end, end, text: value }])
}

function isSpace (byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

/** The bytes with all patches made, in whatever order they stand; they must not overlap. */
export function patched (body: Buffer, patches: readonly Patch[]): Buffer {
  if (patches.length === 0) return body
  const inOrder = patches.every(({ start, end }, at) => {
    const before = patches[at - 1]
    return before === undefined || before.start < start || (before.start === start && before.end <= end)
  })
  const sorted = inOrder ? patches : [...patches].sort((one, two) => one.start - two.start || one.end - two.end)
  let size = body.length
  for (const { start, end, text } of sorted) size += (typeof text === 'string' ? Buffer.byteLength(text) : text.length) - (end - start)
  const made = Buffer.allocUnsafe(size)
  let at = 0
  let to = 0
  for (const { start, end, text } of sorted) {
    to += body.copy(made, to, at, start)
    to += typeof text === 'string' ? made.write(text, to) : text.copy(made, to)
    at = end
  }
  body.copy(made, to, at)
  return made
}
