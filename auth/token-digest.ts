// Keyed hashes stand for tokens everywhere in the router: whoever sees one, in memory or by the time a comparison takes, learns nothing of the token.
import { createHmac, createSecretKey, randomBytes } from 'node:crypto'

/** Hashes of tokens by a random key of its own, which nobody outside the process can know. */
export class TokenDigest {
  private readonly key = createSecretKey(randomBytes(32))

  /** 32 bytes as text, to be the key of a map. */
  of (token: string | Uint8Array): string {
    return createHmac('sha256', this.key).update(token).digest('base64url')
  }
}

/** A short name made from a digest, such as `t-1a2b3c4d`: the same for the same token as long as the process runs. */
export function pseudonym (prefix: string, digest: string): string {
  return `${prefix}-${Buffer.from(digest, 'base64url').toString('hex', 0, 4)}`
}
