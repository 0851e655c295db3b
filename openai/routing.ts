// What the router may ask of a request, each part found in the body's raw bytes on first use and kept.
import type { PrefixChain, Routing } from '../core/routing.ts'
import { eachElement, isNull, locateFields, readBoolean, readString, readText } from './locate.ts'
import type { Span } from './locate.ts'
import { multipartField } from './multipart.ts'
import { firstBlock, hashBytes, prefixChain } from './prefix-chain.ts'

const fieldNames: ReadonlySet<string> = new Set([
  'model', 'stream', 'user', 'session_id', 'user_id', 'session_params', 'messages', 'prompt', 'input', 'instructions', 'tools',
  'cache_salt', 'system', 'text', 'input_ids', 'token_ids', 'kv_transfer_params', 'previous_response_id', 'prompt_cache_key', 'conversation'
])
const sessionName: ReadonlySet<string> = new Set(['session_id'])
const idName: ReadonlySet<string> = new Set(['id'])
const roleName: ReadonlySet<string> = new Set(['role'])

/** Where the conversation may stand, the likeliest first; two paths know better. */
const conversationNames = ['messages', 'prompt', 'input', 'text', 'input_ids', 'token_ids'] as const
const completionNames = ['prompt', 'messages', 'input', 'text', 'input_ids', 'token_ids'] as const
const responsesNames = ['input', 'messages', 'prompt', 'text', 'input_ids', 'token_ids'] as const

/** Requests that differ in one of these share no KV cache (`model`, `cache_salt`) or none worth having (the rest leads the prompt). */
const seedNames = ['model', 'tools', 'system', 'instructions', 'cache_salt'] as const

/** Tells conversations apart where there are no turns to go by. */
const openingBytes = 256
/** A user speaks within this many turns, or the conversation is known by these. */
const openingTurns = 64

const noFields: ReadonlyMap<string, Span> = new Map()
const noBytes = Buffer.alloc(0)
const noChain: PrefixChain = { hashes: [], ends: [], length: 0 }

/** A request as policies see it. In private fields, undefined is "not looked for yet" and null "not there". */
export class RequestRouting implements Routing {
  knownModelOnly = false
  private readonly path: string
  private readonly headers: Readonly<Record<string, string | string[] | undefined>>
  private readonly body: Buffer
  private fields: ReadonlyMap<string, Span> | undefined
  private modelText: string | null | undefined
  private sessionText: string | null | undefined
  private openingPart: Uint8Array | null | undefined
  private chain: PrefixChain | undefined

  /**
   * `path` is relative to the router and without query (`/v1/chat/completions`), `headers` have lower-case names, `body` is
   * what the client sent and must not change.
   */
  constructor (path: string, headers: Readonly<Record<string, string | string[] | undefined>>, body: Buffer | undefined) {
    this.path = path
    this.headers = headers
    this.body = body ?? noBytes
  }

  /** The model named in a JSON body, or in the form of an upload. */
  get model (): string | undefined {
    if (this.modelText === undefined) this.modelText = this.findModel() ?? null
    return this.modelText ?? undefined
  }

  /** Whether the answer is asked for as a stream; only a JSON `true` says so. */
  get stream (): boolean {
    const span = this.field('stream')
    return span !== undefined && readBoolean(this.body, span) === true
  }

  header (name: string): string | undefined {
    const value: unknown = this.headers[name]
    const first: unknown = Array.isArray(value) ? value[0] : value
    return typeof first === 'string' && first !== '' ? first : undefined
  }

  get session (): string | undefined {
    if (this.sessionText === undefined) this.sessionText = this.findSession() ?? null
    return this.sessionText ?? undefined
  }

  /** The response this one goes on from (`/v1/responses`). */
  get previousResponseId (): string | undefined {
    const span = this.field('previous_response_id')
    return (span && readString(this.body, span)) || undefined
  }

  /** Whether the body, read as plain JSON, has `kv_transfer_params` other than null. */
  get namesKvTransferParams (): boolean {
    return this.field('kv_transfer_params') !== undefined
  }

  /** Whether the body, read as plain JSON, has `kv_transfer_params`, be it null. */
  get mentionsKvTransferParams (): boolean {
    return this.located().has('kv_transfer_params')
  }

  /**
   * Whether the client sent `kv_transfer_params` other than null. True as well when it cannot be ruled out: the worker also
   * understands JSON in UTF-16 and UTF-32, which the router does not look into.
   */
  get hasKvTransferParams (): boolean {
    return this.namesKvTransferParams || isWideJson(this.body)
  }

  get opening (): Uint8Array | undefined {
    if (this.openingPart === undefined) this.openingPart = this.findOpening() ?? null
    return this.openingPart ?? undefined
  }

  get prefix (): PrefixChain {
    this.chain ??= this.findPrefix()
    return this.chain
  }

  get promptBytes (): number {
    if (this.chain !== undefined) return this.chain.length
    const span = this.conversation()?.span
    return span === undefined ? 0 : growthPoint(this.body, span) - span.start
  }

  private located (): ReadonlyMap<string, Span> {
    this.fields ??= locateFields(this.body, fieldNames) ?? noFields
    return this.fields
  }

  /** The span of a top-level field; null counts as absent. */
  private field (name: string): Span | undefined {
    const span = this.located().get(name)
    return span === undefined || isNull(this.body, span) ? undefined : span
  }

  private findModel (): string | undefined {
    const span = this.field('model')
    if (span !== undefined) return readString(this.body, span) || undefined
    return multipartField(this.body, this.header('content-type'), 'model') || undefined
  }

  /** The Rust router's fields in its order, then those of OpenAI's API. */
  private findSession (): string | undefined {
    return this.named('session', this.inner('session_params', sessionName)) ?? this.named('user', this.field('user')) ??
      this.named('session', this.field('session_id')) ?? this.named('user', this.field('user_id')) ??
      this.named('session', this.field('prompt_cache_key')) ??
      this.named('session', this.field('conversation')) ?? this.named('session', this.inner('conversation', idName))
  }

  /** The only field asked for of a field that is an object. */
  private inner (name: string, names: ReadonlySet<string>): Span | undefined {
    const outer = this.field(name)
    return outer && locateFields(this.body, names, outer.start, outer.end)?.values().next().value
  }

  private named (kind: 'session' | 'user', span: Span | undefined): string | undefined {
    const text = span && readText(this.body, span)
    return text ? `${kind}:${text}` : undefined
  }

  /** Whether `input` is made of turns as `messages` is. */
  private get isResponses (): boolean {
    return this.path === '/v1/responses' || this.path.startsWith('/v1/responses/')
  }

  private conversation (): { name: string, span: Span } | undefined {
    const names = this.isResponses ? responsesNames : this.path === '/v1/completions' ? completionNames : conversationNames
    for (const name of names) {
      const span = this.field(name)
      if (span !== undefined) return { name, span }
    }
    return undefined
  }

  private findOpening (): Uint8Array | undefined {
    if (this.body.length === 0) return undefined
    const found = this.conversation()
    if (found === undefined) return this.body.subarray(0, openingBytes)
    const { name, span: { start, end } } = found
    const turns = name === 'messages' || (name === 'input' && this.isResponses)
    if (turns && this.body[start] === 0x5b) return this.body.subarray(start, this.firstTurnEnd(found.span))
    return this.body.subarray(start, Math.min(end, start + openingBytes))
  }

  /** Where the first element by the user ends, or the last one looked at when none is. */
  private firstTurnEnd (span: Span): number {
    let end = span.start + 1
    let turns = 0
    eachElement(this.body, span, element => {
      end = element.end
      if (++turns === openingTurns) return true
      const role = locateFields(this.body, roleName, element.start, element.end)?.get('role')
      return role !== undefined && readString(this.body, role) === 'user'
    })
    return end
  }

  private findPrefix (): PrefixChain {
    const found = this.conversation()
    if (found === undefined) return noChain
    const { start } = found.span
    const end = growthPoint(this.body, found.span)
    // too short for a block: nothing is hashed
    if (end - start < firstBlock) return { hashes: [], ends: [], length: end - start }
    let seed = 0
    for (const name of seedNames) {
      const span = this.field(name)
      seed = hashBytes(span === undefined ? noBytes : this.body.subarray(span.start, span.end), seed)
    }
    return prefixChain(this.body.subarray(start, end), seed)
  }
}

/** Where the value at `span` goes on when it grows: before the closing quote, or the closing bracket and the space before it. */
function growthPoint (body: Buffer, span: Span): number {
  const first = body[span.start]
  if (first === 0x22) return span.end - 1
  if (first !== 0x5b) return span.end
  let end = span.end - 1
  while (end > span.start && (body[end - 1] ?? 0) <= 0x20) end--
  return end
}

/** Whether a JSON text in UTF-16 or UTF-32 may begin here, judged as Python's json does. */
function isWideJson (body: Buffer): boolean {
  const a = body[0]
  const b = body[1]
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff)) return true
  if (a !== 0 && b !== 0) return false
  const first = body.subarray(0, 4).find(byte => byte !== 0)
  if (first === undefined) return false
  return first === 0x7b || first === 0x20 || first === 0x0a || first === 0x0d || first === 0x09 || first === 0xfe
}
