// A toy tokenizer that needs no vocabulary: pieces of up to four characters whose ids are the packed characters themselves.

/** Ids from here on are single characters outside printable ASCII's pieces: `WIDE + code unit`. */
const WIDE = 2 ** 28

/**
 * Token ids of a text, `limit` at most (default: all). A piece has up to four ASCII characters and begins anew at white space
 * and at `<`; any other UTF-16 code unit is a token of its own. Equal texts have equal tokens up to the piece where they
 * part, and `detokenize` gives the text back exactly.
 */
export function tokenize (text: string, limit = Infinity): number[] {
  const ids: number[] = []
  let id = 0
  let length = 0
  for (let at = 0; at < text.length && ids.length < limit; at++) {
    const code = text.charCodeAt(at)
    const wide = code === 0 || code > 127
    if (length > 0 && (length === 4 || wide || code <= 32 || code === 60)) {
      ids.push(id)
      id = length = 0
    }
    if (wide) {
      ids.push(WIDE + code)
      continue
    }
    id = id * 128 + code
    length++
  }
  if (length > 0) ids.push(id)
  if (ids.length > limit) ids.length = limit
  return ids
}

/** The text of one token; the replacement character for an id that this tokenizer does not make. */
export function tokenText (id: number): string {
  if (!Number.isInteger(id) || id <= 0 || id > WIDE + 0xffff) return '\ufffd'
  if (id >= WIDE) return String.fromCharCode(id - WIDE)
  let text = ''
  for (let rest = id; rest > 0; rest = Math.floor(rest / 128)) text = String.fromCharCode(rest % 128) + text
  return text
}

/** The text of a list of tokens. */
export function detokenize (ids: readonly number[]): string {
  let text = ''
  for (const id of ids) text += tokenText(id)
  return text
}

/**
 * The hash chain of the full blocks of a prompt: 53-bit numbers, each standing for its block and all before it. `seed`
 * (32 bits, default 0) keeps apart what must not share a cache, such as the adapters of one model.
 */
export function blockHashes (ids: readonly number[], blockSize: number, seed = 0): number[] {
  const hashes: number[] = []
  let high = seed ^ 0x9e3779b9
  let low = seed ^ 0x7f4a7c15
  const full = ids.length - ids.length % blockSize
  for (let at = 0; at < full; at++) {
    const id = ids[at] ?? 0
    high = Math.imul(high ^ id, 0x85ebca6b)
    high ^= high >>> 15
    low = Math.imul((low + id) | 0, 0xc2b2ae35)
    low ^= low >>> 13
    if ((at + 1) % blockSize === 0) hashes.push((high >>> 0) * 0x200000 + (low >>> 11))
  }
  return hashes
}

/** A 32-bit hash of a list of tokens. */
export function hashTokens (ids: readonly number[], seed = 0): number {
  let hash = seed ^ 0x811c9dc5
  for (const id of ids) {
    hash = Math.imul(hash ^ id, 0x01000193)
    hash ^= hash >>> 15
  }
  return hash >>> 0
}

/** A 32-bit hash of a short text, such as a name. */
export function hashText (text: string): number {
  return hashTokens(tokenize(text))
}

const CONSONANTS = 'bcdfghjklmnprstvwz'
const VOWELS = 'aeiou'

/** Token `index` of the answer that `key` stands for: a blank and a made-up word of three letters. */
export function wordToken (key: number, index: number): number {
  let hash = Math.imul(key ^ Math.imul(index + 1, 0x9e3779b1), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  hash = (hash ^ (hash >>> 16)) >>> 0
  const first = CONSONANTS.charCodeAt(hash % 18)
  const second = VOWELS.charCodeAt((hash >>> 8) % 5)
  const third = CONSONANTS.charCodeAt((hash >>> 16) % 18)
  return ((32 * 128 + first) * 128 + second) * 128 + third
}
