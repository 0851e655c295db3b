// Runs a fast-check property with a fixed seed, printed, so that a failure can be run again.
import fc from 'fast-check'

const seed = 20_260_117

export function check (t: { comment (text: string): void, pass (text: string): void }, name: string, property: fc.IRawProperty<unknown>, numRuns = 500): void {
  t.comment(`${name}: seed ${seed}, ${numRuns} runs`)
  fc.assert(property, { seed, numRuns })
  t.pass(name)
}

/** `bytes` cut at the given places, which may be any numbers. */
export function cut (bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map(place => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...at].map((start, i) => bytes.subarray(start, at[i] ?? bytes.length))
}

/** Writes JSON as no serialiser would: with any whitespace, any character escaped, the same key again. */
export function messyJson (value: unknown, next: () => number): string {
  const space = (): string => [' ', '', '\n', '', '\t', '\r\n  ', ''][next() % 7] ?? ''
  const text = (s: string): string => {
    let out = '"'
    for (const character of s) {
      if (next() % 5 !== 0) out += JSON.stringify(character).slice(1, -1)
      else for (let i = 0; i < character.length; i++) out += '\\u' + character.charCodeAt(i).toString(16).padStart(4, '0')
    }
    return out + '"'
  }
  const write = (v: unknown): string => {
    if (typeof v === 'string') return text(v)
    if (Array.isArray(v)) return `[${space()}${v.map(write).join(`${space()},${space()}`)}${space()}]`
    if (typeof v !== 'object' || v === null) return JSON.stringify(v)
    const members: [string, unknown][] = Object.entries(v)
    const again = members.filter(() => next() % 4 === 0).map(([key]): [string, unknown] => [key, { earlier: '"}\\' }])
    return `{${space()}${[...again, ...members].map(([key, inner]) => text(key) + space() + ':' + space() + write(inner)).join(space() + ',' + space())}${space()}}`
  }
  return space() + write(value) + space()
}
