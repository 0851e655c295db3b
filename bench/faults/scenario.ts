// What a scenario is, and how much of it runs.
import type { Result } from './figures.ts'

/** How long and how large everything is. */
export interface Scale {
  readonly short: boolean
  /** Limits of time are so many times longer: the short form runs beside other tests. */
  readonly patience: number
  /** Requests in a second of the mixed load. */
  readonly perSecond: number
  /** Milliseconds of load before a fault begins. */
  readonly calmMs: number
  /** Milliseconds after a fault began that do not count for the time to the first token: the router has to find out. */
  readonly onsetMs: number
  /** Milliseconds measured then. */
  readonly measuredMs: number
  /** Milliseconds for which all workers are down. */
  readonly allDownMs: number
  readonly slowReaders: number
  /** Milliseconds the slow readers stay. */
  readonly slowReadersMs: number
  readonly slowlorises: number
  readonly disconnects: number
  readonly soakRequests: number
}

/** As `npm run test:faults` runs it. */
export const fullScale: Scale = {
  short: false,
  patience: 1,
  perSecond: 90,
  calmMs: 500,
  onsetMs: 4000,
  measuredMs: 26_000,
  allDownMs: 20_000,
  slowReaders: 200,
  slowReadersMs: 10_000,
  slowlorises: 50,
  disconnects: 10_000,
  soakRequests: 20_000
}

/** As `npm test` runs it. */
export const shortScale: Scale = {
  short: true,
  patience: 2,
  perSecond: 60,
  calmMs: 200,
  onsetMs: 500,
  measuredMs: 1500,
  allDownMs: 3000,
  slowReaders: 40,
  slowReadersMs: 1500,
  slowlorises: 10,
  disconnects: 500,
  soakRequests: 8000
}

/** Runs once for a policy; its name is that of its file. */
export type Scenario = (scale: Scale, policy: string) => Promise<Result>
