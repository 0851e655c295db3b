// Request bodies of certain lengths, as the side-by-side benchmark sends them.
import { corpusText } from '../side-by-side/corpus.ts'

/** A chat request of so many bytes. */
export function chatBody (bytes: number, mark = 'a'): Buffer {
  return Buffer.from(corpusText({ kind: 'distinct', bytes }, false).trimEnd().replaceAll('~', mark))
}

/** Lengths that are looked at, by their names. */
export const lengths = { '300 B': 300, '4 KiB': 4096, '64 KiB': 65_536, '1 MiB': 1_048_576 } as const
