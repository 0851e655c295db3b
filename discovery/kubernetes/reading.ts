// What one Kubernetes object says about one worker: its address, what labels and annotations add, and what is wrong with them.
import { isIPv6 } from 'node:net'
import type { Role, WorkerSpec } from '../../core/worker.ts'
import type { Metadata } from './objects.ts'

/** What holds for all objects of one list. */
export interface Rules {
  readonly role: Role
  /** A number, or the name of a port. */
  readonly port: string
  /** Data-parallel ranks where the object does not say. */
  readonly ranks: number
}

/** One object, read. */
export interface Reading {
  /** The pod's uid: one pod seen in several lists is one worker. */
  readonly key: string
  /** `namespace/name`, for people. */
  readonly name: string
  /** Undefined while it is no worker. */
  readonly spec: WorkerSpec | undefined
  /** What is wrong with its labels and annotations, for the log. */
  readonly problems: readonly string[]
}

/** What labels and annotations say. */
export interface Hints {
  /** A number, or the name of a port. */
  readonly port: string | undefined
  readonly bootstrapPort: number | undefined
  readonly model: string | undefined
  readonly ranks: number | undefined
}

const prefix = 'vllm.ai/'
/** As many as `--intra-node-data-parallel-size` takes. */
const mostRanks = 1024

/** Reads the `vllm.ai/` annotations, and labels where there is no such annotation; what is not usable is told to `problems` and left out. */
export function readHints (metadata: Metadata | undefined, problems: string[]): Hints {
  const text = (name: string): string | undefined => {
    const value = (metadata?.annotations?.[prefix + name] ?? metadata?.labels?.[prefix + name])?.trim()
    return value === '' ? undefined : value
  }
  function number (name: string, most: number): number | undefined {
    const given = text(name)
    if (given === undefined) return undefined
    const value = wholeNumber(given, most)
    if (value === undefined) problems.push(`${prefix}${name} takes a whole number from 1 to ${most}, not ${JSON.stringify(given.slice(0, 64))}`)
    return value
  }
  return { port: text('port'), bootstrapPort: number('bootstrap-port', 65535), model: text('model'), ranks: number('data-parallel-size', mostRanks) }
}

/** The number of a port written as such; undefined for anything else, names too. */
export function portNumber (text: string): number | undefined {
  return wholeNumber(text, 65535)
}

function wholeNumber (text: string, most: number): number | undefined {
  const value = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0
  return value >= 1 && value <= most ? value : undefined
}

/** What of a worker is known besides its port. */
export interface Place {
  readonly address: string
  readonly port: number
  readonly leaving: boolean
  readonly labels: Readonly<Record<string, string | undefined>>
}

/** The worker there. */
export function specOf (place: Place, hints: Omit<Hints, 'port'>, rules: Pick<Rules, 'role' | 'ranks'>): WorkerSpec {
  const { address, port, leaving } = place
  const ranks = hints.ranks ?? rules.ranks
  return {
    url: `http://${isIPv6(address) ? `[${address}]` : address}:${port}`,
    role: rules.role,
    ...(ranks > 1 ? { ranks } : {}),
    ...(leaving ? { leaving } : {}),
    ...(hints.model === undefined ? {} : { model: hints.model }),
    ...(hints.bootstrapPort === undefined ? {} : { bootstrapPort: hints.bootstrapPort }),
    labels: Object.fromEntries(Object.entries(place.labels).filter((entry): entry is [string, string] => entry[1] !== undefined))
  }
}
