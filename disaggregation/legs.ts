// What both legs of a request send: the client's bytes with a few members changed; and which requests can be split at all.
import { eachElement, locateFields, readBoolean, readText } from '../openai/locate.ts'
import type { Span } from '../openai/locate.ts'
import { append, edits, splice } from './splice.ts'
import type { Edits, Json } from './splice.ts'

/** Paths whose requests make a KV cache that can be handed over, as far as vLLM's connectors go. */
export const splitPaths: ReadonlySet<string> = new Set(['/v1/chat/completions', '/v1/completions', '/v1/responses', '/inference/v1/generate'])

/** Paths whose requests go through an engine that knows nothing but legs. */
export const pairedPaths: ReadonlySet<string> = new Set([...splitPaths, '/v1/messages', '/generate'])

const transfer = 'kv_transfer_params'
const whole = { stream: { set: 'false' }, stream_options: 'remove' } as const
/** One token, made under all circumstances: a prefill that ends by itself hands nothing over. */
const oneToken = { max_tokens: { set: '1' }, min_tokens: { set: '1' } } as const
const completions = edits({ ...whole, ...oneToken, max_completion_tokens: { replace: '1' } })
const byPath: ReadonlyMap<string, Edits> = new Map([
  ['/v1/responses', edits({ ...whole, max_output_tokens: { set: '1' } })],
  ['/inference/v1/generate', edits({ ...whole, sampling_params: { inside: edits(oneToken) } })]
])

/**
 * The body of the prefill leg: one token, not streamed, and the connector's `kv_transfer_params` where it has some.
 * Undefined when the body is no JSON object.
 */
export function prefillBody (body: Buffer, path: string, params: Json | undefined): Buffer | undefined {
  const changes = byPath.get(path) ?? completions
  return splice(body, params === undefined ? changes : new Map([...changes, [transfer, { set: params }]]))
}

/**
 * The body of the decode leg: the client's own, with the connector's `kv_transfer_params` where it has some.
 * @param body a JSON object
 * @param without it is known to have no `kv_transfer_params`, not even null: then it is not read once more
 */
export function decodeBody (body: Buffer, params: Json | undefined, without = false): Buffer | undefined {
  if (params === undefined) return body
  return without ? append(body, transfer, params) : splice(body, edits({ [transfer]: { set: params } }))
}

const asked: ReadonlySet<string> = new Set(['n', 'best_of', 'use_beam_search', 'background', 'prompt', 'sampling_params', 'previous_response_id'])
const counts: ReadonlySet<string> = new Set(['n', 'best_of'])

/**
 * Whether the two legs of a request would do what the one request does; undefined when its body is no JSON object. Not so for several sequences of one prompt or several
 * prompts (the prefill worker hands over one sequence's blocks only, and keeps those of the others until they expire), for
 * responses made in the background, and for those that go on from a response, which only its maker knows.
 */
export function canSplit (body: Buffer, path: string): boolean | undefined {
  const fields = locateFields(body, asked)
  if (fields === undefined) return undefined
  const params = fields.get('sampling_params')
  const inner = params === undefined ? undefined : locateFields(body, counts, params.start, params.end)
  const several = (span: Span | undefined): boolean => span !== undefined && Number(readText(body, span) ?? 1) > 1
  const isTrue = (span: Span | undefined): boolean => span !== undefined && readBoolean(body, span) === true
  if (several(fields.get('n')) || several(fields.get('best_of')) || several(inner?.get('n')) || several(inner?.get('best_of'))) return false
  if (isTrue(fields.get('use_beam_search'))) return false
  if (path === '/v1/responses') return !isTrue(fields.get('background')) && !isText(body, fields.get('previous_response_id'))
  const prompt = fields.get('prompt')
  return path !== '/v1/completions' || prompt === undefined || !isSeveral(body, prompt)
}

function isText (body: Buffer, span: Span | undefined): boolean {
  return span !== undefined && body[span.start] === 0x22
}

/** A list of texts, or of lists of token ids, with more than one element. */
function isSeveral (body: Buffer, span: Span): boolean {
  let count = 0
  let prompts = false
  eachElement(body, span, ({ start }) => {
    prompts = body[start] === 0x22 || body[start] === 0x5b
    return !prompts || ++count > 1
  })
  return prompts && count > 1
}
