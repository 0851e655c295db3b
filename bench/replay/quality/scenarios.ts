// What docs/routing-quality.md compares: traces, fleets and bounds, each with why it is so.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readTraces } from '../formats.ts'
import type { FormatName } from '../formats.ts'
import type { Slo } from '../figures.ts'
import type { ProfileName } from '../profiles.ts'
import { PrefixNumbers } from '../trace.ts'
import type { Trace } from '../trace.ts'
import { cut, transforms } from '../transforms.ts'
import type { TransformName } from '../transforms.ts'

/** One comparison. */
export interface Scenario {
  readonly title: string
  readonly format: FormatName
  /** A file, or a folder of which all JSON files are taken. */
  readonly file: string
  readonly transforms: readonly TransformName[]
  /** Requests of it that are played, where it is longer. */
  readonly requests?: number
  readonly profile: ProfileName
  readonly workers: number
  readonly slo: Slo
  /** Virtual seconds of a closed loop. */
  readonly closedSecs?: number
  /** Where the search for a load begins. */
  readonly load: number
  /** For a bar of its own, not for the comparison of settings: a few policies only. */
  readonly short?: true
}

const conversation = {
  format: 'mooncake', file: 'mooncake-conversation.jsonl', requests: 6000, profile: 'llama-3.1-8b-h100', workers: 16, slo: { ttftMs: 2000, itlMs: 50 }, load: 8
} as const
const bursts = {
  format: 'azure', file: 'azure-conv-2023.csv', requests: 10_000, profile: 'llama-3.1-8b-h100', workers: 4, slo: { ttftMs: 500, itlMs: 50 }, load: 10
} as const
const agents = {
  format: 'session', file: 'agent-sessions', profile: 'qwen3-coder-480b-8xh200', workers: 8, slo: { ttftMs: 10_000, itlMs: 50 }, closedSecs: 1800, load: 0.6
} as const

export const scenarios = {
  conversation: { ...conversation, title: 'Conversations (Mooncake), the first 6,000 requests', transforms: [] },
  bursts: { ...bursts, title: 'Short prompts in bursts (Azure 2023), the first 10,000 requests', transforms: [] },
  agents: { ...agents, title: 'Coding agents, 30 recorded sessions, prompts of 100,000 tokens, closed loop for half an hour', transforms: [] },
  shift: { ...conversation, title: 'Conversations, from the middle on bound by decoding', transforms: ['shift'] },
  'conversation-shared-prompt': { ...conversation, title: 'Conversations behind one system prompt', transforms: ['shared-prompt'], short: true },
  'bursts-shared-prompt': { ...bursts, title: 'Short prompts in bursts behind one system prompt', transforms: ['shared-prompt'], short: true },
  'agents-no-sessions': { ...agents, title: 'Coding agents without session ids', transforms: ['no-sessions'], short: true }
} as const satisfies Record<string, Scenario>

export type ScenarioName = keyof typeof scenarios

/** Reads a scenario's trace from the folder of traces. */
export function traceOf (folder: string, name: ScenarioName): Trace {
  const { format, file, transforms: names, requests }: Scenario = scenarios[name]
  const path = join(folder, file)
  const files = format === 'session' ? readdirSync(path).filter(one => one.endsWith('.json')).sort().map(one => join(path, one)) : [path]
  const numbers = new PrefixNumbers()
  let [trace] = readTraces(format, files, numbers)
  if (trace === undefined) throw new Error(`${path} holds no trace`)
  if (requests !== undefined) trace = cut(trace, requests)
  for (const transform of names) trace = transforms[transform](trace, numbers)
  return trace
}
