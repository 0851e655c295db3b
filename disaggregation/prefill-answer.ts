// What the answer of a prefill worker tells: the handle of the KV cache, and what the client is to see of the prompt.
import { eachElement, eachMember, isNull, locateFields, readText } from '../openai/locate.ts'
import type { Span } from '../openai/locate.ts'

/** What was counted of the prompt, as raw JSON. */
export interface PromptUsage {
  /** A number as it was written. */
  readonly tokens: string
  /** The object with `cached_tokens`; undefined where the worker tells none. */
  readonly details: Buffer | undefined
}

/** The prompt's part of a choice. */
export interface PromptChoice {
  readonly promptLogprobs: Buffer | undefined
  /** Elements of the arrays in `logprobs` that belong to the prompt, by the arrays' names, without brackets; empty where it was not echoed. */
  readonly logprobs: ReadonlyMap<string, PromptElements>
}

/** The first elements of a JSON array. */
export interface PromptElements {
  readonly text: Buffer
  readonly count: number
}

/** A prefill worker's answer; all parts are raw JSON out of it. */
export interface PrefillAnswer {
  /** `kv_transfer_params`; undefined where there are none. */
  readonly params: Buffer | undefined
  readonly usage: PromptUsage | undefined
  readonly promptLogprobs: Buffer | undefined
  /** By their index. */
  readonly choices: ReadonlyMap<number, PromptChoice>
}

/** Arrays of a text completion's `logprobs`, one element a token. */
export const logprobArrays: ReadonlySet<string> = new Set(['tokens', 'token_logprobs', 'text_offset', 'top_logprobs'])

const answerNames: ReadonlySet<string> = new Set(['kv_transfer_params', 'usage', 'prompt_logprobs', 'choices'])
/** Of completions, and of responses. */
const usageNames: ReadonlySet<string> = new Set(['prompt_tokens', 'input_tokens', 'prompt_tokens_details', 'input_tokens_details'])
const choiceNames: ReadonlySet<string> = new Set(['index', 'prompt_logprobs', 'logprobs'])

/** Reads an answer; undefined when it is no JSON object. */
export function readPrefillAnswer (body: Buffer): PrefillAnswer | undefined {
  const fields = locateFields(body, answerNames)
  if (fields === undefined) return undefined
  const choices = new Map<number, PromptChoice>()
  const list = fields.get('choices')
  if (list !== undefined) eachElement(body, list, element => readChoice(body, element, choices))
  const usage = fields.get('usage')
  return {
    params: present(body, fields.get('kv_transfer_params')),
    usage: usage && readUsage(body, usage),
    promptLogprobs: present(body, fields.get('prompt_logprobs')),
    choices
  }
}

function readUsage (body: Buffer, { start, end }: Span): PromptUsage | undefined {
  const fields = locateFields(body, usageNames, start, end)
  const tokens = fields?.get('prompt_tokens') ?? fields?.get('input_tokens')
  const text = tokens && readText(body, tokens)
  if (text === undefined || !/^\d+$/.test(text)) return undefined
  return { tokens: text, details: present(body, fields?.get('prompt_tokens_details') ?? fields?.get('input_tokens_details')) }
}

function readChoice (body: Buffer, { start, end }: Span, choices: Map<number, PromptChoice>): void {
  const fields = locateFields(body, choiceNames, start, end)
  const index = fields?.get('index')
  const logprobs = fields?.get('logprobs')
  const arrays = new Map<string, PromptElements>()
  if (logprobs !== undefined) {
    eachMember(body, (name, _, from, to) => {
      const elements = logprobArrays.has(name) ? promptElements(body, { start: from, end: to }) : undefined
      if (elements !== undefined) arrays.set(name, elements)
    }, logprobs.start, logprobs.end)
  }
  const promptLogprobs = present(body, fields?.get('prompt_logprobs'))
  if (promptLogprobs === undefined && arrays.size === 0) return
  choices.set(Number(index === undefined ? 0 : readText(body, index)), { promptLogprobs, logprobs: arrays })
}

/** All elements but the last, which belongs to the one token made. */
function promptElements (body: Buffer, span: Span): PromptElements | undefined {
  const ends: number[] = []
  let first = 0
  eachElement(body, span, ({ start, end }) => {
    if (ends.length === 0) first = start
    ends.push(end)
  })
  const count = ends.length - 1
  const end = ends[count - 1]
  return count < 1 || end === undefined ? undefined : { text: body.subarray(first, end), count }
}

/** The value as it stands; undefined for `null` and for what is not there. */
function present (body: Buffer, span: Span | undefined): Buffer | undefined {
  return span === undefined || isNull(body, span) ? undefined : body.subarray(span.start, span.end)
}
