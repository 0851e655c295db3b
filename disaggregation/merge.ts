// Puts what the prefill worker told of a prompt in the place of what the decode worker told, in the raw bytes of an answer.
import { eachElement, eachMember, isNull, locateFields, readText } from '../openai/locate.ts'
import type { Span } from '../openai/locate.ts'
import { logprobArrays } from './prefill-answer.ts'
import type { PrefillAnswer, PromptElements, PromptUsage } from './prefill-answer.ts'
import { addEdits, edits, patched } from './splice.ts'
import type { Patch } from './splice.ts'

const answerNames: ReadonlySet<string> = new Set(['usage', 'response', 'choices', 'prompt_logprobs'])
const usageName: ReadonlySet<string> = new Set(['usage'])
const choiceNames: ReadonlySet<string> = new Set(['index', 'prompt_logprobs', 'logprobs'])
const usageNames: ReadonlySet<string> = new Set(['prompt_tokens', 'input_tokens', 'completion_tokens', 'output_tokens', 'total_tokens', 'prompt_tokens_details', 'input_tokens_details'])
const withoutCached = edits({ cached_tokens: 'remove' })

/**
 * The JSON object of an answer, or of one event of a stream, with the prompt's side of it as the prefill worker counted it:
 * `usage` (also of a `response` in it), `prompt_logprobs`, and, where the prompt was echoed, the prompt's part of `logprobs`.
 * The same buffer when there is nothing to change, or no JSON object.
 * @param begun choices of a stream whose prompt's part has been put in already; those of this object are added
 */
export function mergeAnswer (body: Buffer, from: PrefillAnswer, begun = new Set<number>()): Buffer {
  const fields = locateFields(body, answerNames)
  if (fields === undefined) return body
  const patches: Patch[] = []
  const response = fields.get('response')
  const usage = fields.get('usage') ?? (response && locateFields(body, usageName, response.start, response.end)?.get('usage'))
  if (usage !== undefined && from.usage !== undefined) mergeUsage(patches, body, usage, from.usage)
  replace(patches, body, fields.get('prompt_logprobs'), from.promptLogprobs)
  const choices = fields.get('choices')
  if (choices !== undefined && from.choices.size > 0) eachElement(body, choices, choice => mergeChoice(patches, body, choice, from, begun))
  return patched(body, patches)
}

function mergeUsage (patches: Patch[], body: Buffer, { start, end }: Span, usage: PromptUsage): void {
  const fields = locateFields(body, usageNames, start, end)
  const prompt = fields?.get('prompt_tokens') ?? fields?.get('input_tokens')
  if (fields === undefined || prompt === undefined) return
  replace(patches, body, prompt, Buffer.from(usage.tokens))
  const total = fields.get('total_tokens')
  const made = fields.get('completion_tokens') ?? fields.get('output_tokens')
  const count = made && readText(body, made)
  if (total !== undefined && count !== undefined && /^\d+$/.test(count)) {
    replace(patches, body, total, Buffer.from(String(Number(usage.tokens) + Number(count))))
  }
  const details = fields.get('prompt_tokens_details') ?? fields.get('input_tokens_details')
  if (usage.details !== undefined) {
    if (details !== undefined) replace(patches, body, details, usage.details)
    else addEdits(patches, body, edits({ [fields.has('prompt_tokens') ? 'prompt_tokens_details' : 'input_tokens_details']: { set: usage.details } }), start, end)
  } else if (details !== undefined && !isNull(body, details)) addEdits(patches, body, withoutCached, details.start, details.end)
}

function mergeChoice (patches: Patch[], body: Buffer, { start, end }: Span, from: PrefillAnswer, begun: Set<number>): void {
  const fields = locateFields(body, choiceNames, start, end)
  const at = fields?.get('index')
  const index = Number(at === undefined ? 0 : readText(body, at))
  const prompt = from.choices.get(index)
  if (prompt === undefined) return
  replace(patches, body, fields?.get('prompt_logprobs'), prompt.promptLogprobs)
  const logprobs = fields?.get('logprobs')
  if (logprobs === undefined || isNull(body, logprobs) || prompt.logprobs.size === 0 || begun.has(index)) return
  begun.add(index)
  const arrays = new Map<string, Span>()
  eachMember(body, (name, _, from, to) => { if (logprobArrays.has(name)) arrays.set(name, { start: from, end: to }) }, logprobs.start, logprobs.end)
  const tokens = arrays.get('tokens')
  const has = tokens !== undefined && beginsWith(body, tokens, prompt.logprobs.get('tokens'))
  for (const [name, span] of arrays) {
    const elements = prompt.logprobs.get(name)
    if (elements !== undefined) lead(patches, body, span, elements, has)
  }
}

/** Whether the array begins with the prompt's own elements: the decode worker echoed the prompt, too. */
function beginsWith (body: Buffer, span: Span, elements: PromptElements | undefined): boolean {
  if (elements === undefined) return false
  let at = 0
  let same = true
  const wanted = Buffer.concat([Buffer.from('['), elements.text, Buffer.from(']')])
  const texts: string[] = []
  eachElement(wanted, { start: 0, end: wanted.length }, ({ start, end }) => { texts.push(wanted.toString('utf8', start, end)) })
  eachElement(body, span, ({ start, end }) => {
    same = body.toString('utf8', start, end) === texts[at++]
    return !same || at === texts.length
  })
  return same && at === texts.length
}

/** Puts the prompt's elements before those of an array, or in the place of as many. */
function lead (patches: Patch[], body: Buffer, span: Span, { text, count }: PromptElements, inPlace: boolean): void {
  if (body[span.start] !== 0x5b) return
  let seen = 0
  let first: number | undefined
  let last = 0
  eachElement(body, span, ({ start, end }) => {
    first ??= start
    last = end
    return ++seen === count
  })
  if (first === undefined) patches.push({ start: span.start + 1, end: span.start + 1, text })
  else if (inPlace && seen === count) patches.push({ start: first, end: last, text })
  else patches.push({ start: first, end: first, text: Buffer.concat([text, Buffer.from(',')]) })
}

/** Puts a value in the place of another, where there is one and it differs. */
function replace (patches: Patch[], body: Buffer, span: Span | undefined, text: Buffer | undefined): void {
  if (span === undefined || text === undefined || body.subarray(span.start, span.end).equals(text)) return
  patches.push({ start: span.start, end: span.end, text })
}
