// What a request tells about itself to those who choose a worker for it.

/** The beginning of a request's conversation as a chain of hashes, each covering everything up to its end. */
export interface PrefixChain {
  /** `hashes[i]` covers bytes 0 to `ends[i]` of the conversation; equal hashes mean equal bytes so far. Safe integers. */
  readonly hashes: readonly number[]
  /** Where each block ends, in bytes from the start of the conversation; ascending. */
  readonly ends: readonly number[]
  /** Length of the whole conversation in bytes, the last incomplete block included. */
  readonly length: number
}

/** What a policy may ask of a request. Every part is found on first use and kept: what no policy asks for costs nothing. */
export interface Routing {
  /** The model the request names, if any. */
  readonly model: string | undefined
  /** Whether the answer is asked for as a stream; where it is not, its first byte comes with the last. Undefined = unknown. */
  readonly stream?: boolean
  /** Only workers known to serve `model` may get the request; default false: where none is known, any worker may judge it. */
  readonly knownModelOnly?: boolean
  /** The client's own header, by lower-case name; undefined when absent or empty. */
  header (name: string): string | undefined
  /** Session or user named in the body, as `session:<value>` or `user:<value>`. */
  readonly session: string | undefined
  /** The bytes a conversation begins with: they stay the same as it grows, and differ between conversations. */
  readonly opening: Uint8Array | undefined
  /** The conversation as a chain of block hashes. */
  readonly prefix: PrefixChain
  /** `prefix.length` for those who need no hashes, which costs less to find; where it is not given, `prefix` tells. */
  readonly promptBytes?: number
}
