// What the processes of one router tell each other: plain data, sent as structured clones.
import type { ModelCard, WorkerSpec, WorkerState } from '../../core/worker.ts'
import type { SourceHealth } from '../../discovery/discovery.ts'
import type { RouterOptions } from '../../options.ts'
import type { DecisionFilter, DecisionPage } from '../../plugins/decisions.ts'
import type { Applied } from '../apply-options.ts'

/** A worker as the primary knows it. */
export interface WorkerView {
  /** Stands for the worker in all other messages; one that comes again under its id may get another. */
  readonly number: number
  readonly id: string
  readonly state: WorkerState
  readonly reason: string
  readonly models: ReadonlyMap<string, ModelCard> | undefined
  readonly foreignLoad: number
}

/** A source of workers as the primary sees it. */
export interface SourceView {
  readonly name: string
  readonly health: SourceHealth
}

/** Workers, and how many requests each has and had: number, in flight, processed, and so on. */
export type Counts = Float64Array

/** Conversations sent to workers: the worker's number and the number of blocks of each, and all their hashes. */
export interface Prefixes {
  readonly workers: Uint32Array
  readonly lengths: Uint32Array
  readonly hashes: Float64Array
}

/** Ids of responses, and of the workers that made them. */
export type Responses = ReadonlyArray<readonly [response: string, worker: string]>

/** Sessions of `sticky_least_loaded`: a hash of each, the model, and the number of the worker that has it. */
export type Sessions = ReadonlyArray<readonly [session: number, model: string | undefined, worker: number]>

/** What a child has to tell of its traffic. */
export interface Report {
  readonly type: 'report'
  readonly counts?: Counts | undefined
  readonly prefixes?: Prefixes | undefined
  readonly responses?: Responses | undefined
  readonly sessions?: Sessions | undefined
  /** Workers whose connections broke. */
  readonly suspects?: readonly number[] | undefined
  /** Somebody named a model that no worker is known to serve. */
  readonly unknownModel?: boolean | undefined
}

/** What a child hears of the fleet and of the other processes' traffic. Applied in the order of its members. */
export interface News {
  readonly type: 'news'
  /** Whole lists by source. */
  readonly lists?: ReadonlyArray<readonly [source: string, specs: readonly WorkerSpec[]]> | undefined
  readonly workers?: readonly WorkerView[] | undefined
  readonly sources?: readonly SourceView[] | undefined
  /** What all processes but the one that hears this have. */
  readonly counts?: Counts | undefined
  readonly prefixes?: readonly Prefixes[] | undefined
  readonly responses?: Responses | undefined
  readonly sessions?: Sessions | undefined
}

/** A request for the admin routes that changes something, to be answered by the primary. */
export interface AdminRequest {
  readonly method: 'POST' | 'DELETE' | 'PUT' | 'PATCH'
  readonly url: string
  readonly body: string | undefined
}

/** And what the client gets. */
export interface AdminAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

/** How a server ends. */
export interface EndMessage {
  readonly type: 'end'
  /** Milliseconds in which requests are still taken. */
  readonly delayMs: number
  /** Milliseconds requests in flight then get. */
  readonly timeoutMs: number
}

/** One metric as prom-client's registry tells it. */
export interface MetricData {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly aggregator: string
  readonly values: ReadonlyArray<{ readonly value: number, readonly labels: Readonly<Record<string, string | number>>, readonly metricName?: string }>
}

/** What one process asks another, and the answers. */
export interface Questions {
  /** To a child. Everything told before has been applied when it answers. */
  alive: { ask: undefined, answer: void }
  /** To a child. Its last report has been sent before. */
  metrics: { ask: undefined, answer: readonly MetricData[] }
  /** To a child: the options that hold from now on. */
  options: { ask: RouterOptions, answer: Applied }
  /** To a child: its own; to the primary: those of all others. */
  decisions: { ask: DecisionFilter, answer: DecisionPage }
  /** To the primary. */
  admin: { ask: AdminRequest, answer: AdminAnswer }
}

/** The name of a question. */
export type Question = keyof Questions

export interface QuestionMessage {
  readonly type: 'question'
  readonly serial: number
  readonly name: Question
  readonly ask: unknown
}

export interface AnswerMessage {
  readonly type: 'answer'
  readonly serial: number
  /** Why there is no answer. */
  readonly error?: string
  readonly answer?: unknown
}

/** The first message to a child. */
export interface StartMessage {
  readonly type: 'start'
  /** As given to the whole router: what is shared out is not yet. */
  readonly options: RouterOptions
  /** Which of `options.processes`, from 0. */
  readonly index: number
  /** What there are workers from. */
  readonly sources: readonly SourceView[]
}

/** What a child may be told. */
export type ToChild =
  | StartMessage | News | EndMessage | QuestionMessage | AnswerMessage
  /** Forget what is known of KV caches. */
  | { readonly type: 'flush' }
  /** A client said that a session is over. */
  | { readonly type: 'finish', readonly session: string }
  /** End the requests that a worker has. */
  | { readonly type: 'cut', readonly worker: string }

/** What a child may tell. */
export type ToPrimary =
  | Report | QuestionMessage | AnswerMessage
  /** It wants to be told what to do. */
  | { readonly type: 'hello' }
  /** It has made its application and wants to know the fleet. The answer is the first of the news. */
  | { readonly type: 'made' }
  | { readonly type: 'listening', readonly address: string, readonly admin: string | undefined }
  /** It could not start; `code` is what the process would end with. */
  | { readonly type: 'failed', readonly message: string, readonly code: number }
  /** It ends because of an error, once its requests have. */
  | { readonly type: 'leaving' }
  /** It has ended: how many requests were cut off, and its last metrics. */
  | { readonly type: 'ended', readonly requests: number, readonly metrics: readonly MetricData[] }
