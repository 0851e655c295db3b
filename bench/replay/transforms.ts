// Scenarios that no trace at hand shows, made from those that are: the same each time, and each a function from trace to trace.
import { TraceError } from './formats.ts'
import type { Arrival, OpenTrace, PrefixNumbers, ReplayRequest, Trace } from './trace.ts'

/** Tokens of the system prompt that `shared-prompt` puts before every request; rounded up to whole blocks of the trace. */
export const sharedPromptTokens = 6000

/** What `shift` does to the second half: prompts are cut to so many tokens (whole blocks, at least one), answers are so many times as long. */
export const shiftedPromptTokens = 1024
export const shiftedAnswerFactor = 8
/** Answers end here, as at a server's own limit. */
const longestAnswer = 8192

function each (trace: Trace, change: <Request extends ReplayRequest>(request: Request) => Request, suffix: string): Trace {
  const name = `${trace.name}-${suffix}`
  return trace.loop === 'open'
    ? { ...trace, name, arrivals: trace.arrivals.map(change) }
    : { ...trace, name, sessions: trace.sessions.map(turns => turns.map(change)) }
}

/** Everybody begins with the same system prompt; what was shared before is shared behind it. */
function sharedPrompt (trace: Trace, numbers: PrefixNumbers): Trace {
  const { blockSize } = trace
  const count = Math.ceil(sharedPromptTokens / blockSize)
  const prompt = numbers.chain(Array.from({ length: count }, (_, at) => `system prompt ${at}`))
  const last = prompt[count - 1] ?? 0
  // a block's number stands for all before it: behind another beginning it is another block
  return each(trace, request => ({
    ...request, tokens: request.tokens + count * blockSize, head: (request.head ?? 0) + count, blocks: [...prompt, ...request.blocks.map(block => numbers.after(last, block))]
  }), 'shared-prompt')
}

/** No client says which session a request belongs to. */
const noSessions = (trace: Trace): Trace => each(trace, request => ({ ...request, session: undefined }), 'no-sessions')

/** From the middle on short prompts and long answers: what was bound by prefill is bound by decoding. */
function shift (trace: Trace): OpenTrace {
  if (trace.loop !== 'open') throw new TraceError(`${trace.name}: shift needs requests with moments, and sessions have none`)
  const { blockSize, arrivals } = trace
  const middle = ((arrivals[0]?.at ?? 0) + (arrivals.at(-1)?.at ?? 0)) / 2
  const whole = Math.max(1, Math.floor(shiftedPromptTokens / blockSize))
  return {
    ...trace,
    name: `${trace.name}-shift`,
    arrivals: arrivals.map((arrival): Arrival => arrival.at < middle
      ? arrival
      : {
          ...arrival,
          tokens: Math.min(arrival.tokens, whole * blockSize + 1),
          blocks: arrival.blocks.slice(0, whole),
          output: Math.min(arrival.output * shiftedAnswerFactor, longestAnswer)
        })
  }
}

/** Transforms by the name they have on the command line. */
export const transforms = {
  'shared-prompt': sharedPrompt,
  'no-sessions': noSessions,
  shift
} as const satisfies Record<string, (trace: Trace, numbers: PrefixNumbers) => Trace>

export type TransformName = keyof typeof transforms

/** The same trace several times at once, each copy with blocks and sessions of its own, moved by a part of the mean distance of two requests. */
export function copies (trace: Trace, count: number): Trace {
  if (count === 1) return trace
  const move = <Request extends ReplayRequest>(request: Request, copy: number): Request => copy === 0
    ? request
    : { ...request, blocks: request.blocks.map(block => block + copy * 1e12), session: request.session === undefined ? undefined : `${request.session}/${copy}` }
  const every = Array.from({ length: count }, (_, copy) => copy)
  const name = `${trace.name}-x${count}`
  if (trace.loop === 'closed') return { ...trace, name, sessions: every.flatMap(copy => trace.sessions.map(turns => turns.map(turn => move(turn, copy)))) }
  const { arrivals } = trace
  const distance = arrivals.length < 2 ? 0 : ((arrivals.at(-1)?.at ?? 0) - (arrivals[0]?.at ?? 0)) / arrivals.length
  const all = every.flatMap(copy => arrivals.map(arrival => ({ ...move(arrival, copy), at: arrival.at + distance * copy / count })))
  return { ...trace, name, arrivals: all.sort((one, two) => one.at - two.at) }
}

/** The first so many requests of an open loop; so many sessions of a closed one. */
export function cut (trace: Trace, count: number): Trace {
  if (trace.loop === 'open') return trace.arrivals.length <= count ? trace : { ...trace, name: `${trace.name}-first-${count}`, arrivals: trace.arrivals.slice(0, count) }
  return trace.sessions.length <= count ? trace : { ...trace, name: `${trace.name}-first-${count}`, sessions: trace.sessions.slice(0, count) }
}
