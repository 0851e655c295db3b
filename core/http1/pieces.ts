// Memory for the pieces of answers: cut from large blocks, and used again at once for the next piece where the last one went to the system in one go, as nearly all do.

/** Above what malloc gives back at once, and little enough for a client that reads slowly to keep one alive by the piece that waits for it. */
const blockBytes = 262_144

let block = Buffer.allocUnsafeSlow(blockBytes)
let used = 0

/** A copy of bytes that stand in memory which is used again; for as long as anybody wants. */
export function keep (bytes: Buffer, start: number, end: number): Buffer {
  const size = end - start
  if (used + size > blockBytes) {
    block = Buffer.allocUnsafeSlow(Math.max(blockBytes, size))
    used = 0
  }
  const piece = block.subarray(used, used + size)
  used += size
  bytes.copy(piece, 0, start, end)
  return piece
}

/** Takes back a piece that nobody looks at any more. Only the last one that was cut can be used again; of others nothing is done. */
export function release (piece: Buffer): void {
  if (piece.buffer === block.buffer && piece.byteOffset + piece.length === used) used = piece.byteOffset
}
