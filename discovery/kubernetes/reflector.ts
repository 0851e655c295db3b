// Follows one collection of the API server: a list, then a watch, and a list again and again, because a watch can die without a word.
import type { Clock, Timer } from '../../core/clock.ts'
import type { SourceLog } from '../discovery.ts'
import { ApiError, explain } from './api.ts'
import type { ListWatchApi } from './api.ts'
import { Backoff } from './backoff.ts'
import { Copy } from './copy.ts'
import type { KubeObject, ListPage, WatchEvent } from './objects.ts'

/** Objects on a page of a list: some 2 MB of pods, whose parsing holds up everything else for some 15 ms. */
const pageSize = 200
/** A page takes milliseconds; one that takes longer than this is on a dead connection or at a server that should be asked again later. */
const pageTimeoutMs = 10_000
/** The head of a watch comes at once. */
const headTimeoutMs = 10_000
/** The server sends a bookmark every minute or so: a watch that is silent for longer is dead. */
export const defaultSilenceMs = 90_000
/** Seconds after which the server is to end a watch, twice that at most: so connections spread over API servers anew. */
const watchSecs = 300
/** A watch that lasted for so long, or delivered anything, was a good one: the next is opened without a pause. */
const settledMs = 5000

/**
 * What ended a watch: the server, as it does after some minutes (`ended`); nothing came, not even a bookmark, for too long (`silent`); a list
 * showed changes that it had not delivered (`behind`); the version it began with is too old, so a list comes first (`expired`); it could not
 * be opened, or broke (`failed`).
 */
export type WatchEnd = 'ended' | 'silent' | 'behind' | 'expired' | 'failed'

/** What to follow, and how; times in milliseconds. */
export interface ReflectorOptions<Item extends object> {
  readonly api: ListWatchApi
  /** Path of the collection: `/api/v1/pods`. */
  readonly path: string
  readonly labelSelector: string
  /** For people: `pods in namespace "x"`. */
  readonly what: string
  /** What rights are for: `pods`. */
  readonly resource: string
  /** Keeps what is needed of an object. Must not throw. */
  readonly read: (object: KubeObject) => Item
  /** Something may have changed. */
  readonly changed: () => void
  /** Between two lists, ± 10 %. */
  readonly resyncMs: number
  /** A watch that delivered nothing for so long is given up. */
  readonly silenceMs: number
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly log: SourceLog
}

/** Follows one collection until it is stopped; whatever goes wrong is tried again, and the last copy stays meanwhile. */
export class Reflector<Item extends object> {
  /** Lists taken, by reason: `start`, `resync`, `expired`. */
  readonly relists = new Map<string, number>()
  /** Watches that ended, by what ended them. */
  readonly watchRestarts = new Map<WatchEnd, number>()
  private readonly options: ReflectorOptions<Item>
  private readonly copy: Copy<Item>
  private listing: Promise<boolean> | undefined
  private watching: AbortController | undefined
  /** The watch under way brought something. */
  private delivered = false
  private contactAt: number
  private everListed = false
  private stopped = false
  private readonly requests = new Set<AbortController>()
  private readonly troubles = new Map<'list' | 'watch', string>()
  private readonly listBackoff: Backoff
  private readonly watchBackoff: Backoff
  private resync: Timer | undefined
  private wake: () => void = () => {}

  constructor (options: ReflectorOptions<Item>) {
    this.options = options
    this.copy = new Copy(options.read)
    this.contactAt = options.clock.now()
    this.listBackoff = new Backoff(options.random)
    this.watchBackoff = new Backoff(options.random)
  }

  /** The objects as last known; none until the first list. */
  items (): Iterable<Item> {
    return this.copy.items()
  }

  get size (): number {
    return this.copy.size
  }

  /** True once there was a list. */
  get listed (): boolean {
    return this.everListed
  }

  /** What is wrong now, for people; undefined when list and watch go well. */
  get trouble (): string | undefined {
    return this.troubles.get('list') ?? this.troubles.get('watch')
  }

  /** Milliseconds since the API server last gave a sign of life, or since the start. */
  get staleMs (): number {
    return this.options.clock.now() - this.contactAt
  }

  start (): void {
    void this.run()
  }

  stop (): void {
    this.stopped = true
    this.resync?.cancel()
    for (const request of this.requests) request.abort()
    this.wake()
  }

  private async run (): Promise<void> {
    let reason = 'start'
    while (!this.stopped) {
      const { version } = this.copy
      if (version === undefined) {
        if (!await this.list(reason)) await this.pause(this.listBackoff.next())
        continue
      }
      const began = this.options.clock.now()
      const end = await this.watch(version)
      if (this.stopped) return
      add(this.watchRestarts, end)
      if (end === 'expired') {
        this.copy.expire()
        reason = 'expired'
      }
      const good = this.delivered || this.options.clock.now() - began >= settledMs
      if (good) this.watchBackoff.reset()
      if (!good || end === 'failed') await this.pause(this.watchBackoff.next())
    }
  }

  /** Takes a list, or waits for the one under way; false when there is none to be had. */
  private list (reason: string): Promise<boolean> {
    this.listing ??= this.takeList(reason).finally(() => { this.listing = undefined })
    return this.listing
  }

  private async takeList (reason: string): Promise<boolean> {
    const { clock, random, resyncMs, changed } = this.options
    this.resync?.cancel()
    this.copy.beginList()
    try {
      const { objects, version } = await this.pages()
      if (this.stopped) return false
      const { missed, backwards } = this.copy.endList(objects, version)
      if (missed > 0 || backwards) this.replaceWatch(missed)
    } catch (error) {
      this.copy.dropList()
      if (!this.stopped) this.ill('list', error)
      return false
    }
    add(this.relists, reason)
    this.everListed = true
    this.heard()
    this.well('list')
    this.listBackoff.reset()
    this.resync = clock.after(resyncMs * (0.9 + 0.2 * random()), () => { void this.listAgain() })
    changed()
    return true
  }

  private async listAgain (): Promise<void> {
    // without a version the watch loop is about to list by itself
    if (this.copy.version === undefined || await this.list('resync') || this.stopped) return
    this.resync?.cancel()
    this.resync = this.options.clock.after(this.listBackoff.next(), () => { void this.listAgain() })
  }

  private async pages (): Promise<{ objects: KubeObject[], version: string }> {
    try {
      return await this.allPages(pageSize)
    } catch (error) {
      // the snapshot that further pages come from was too old
      if (error instanceof ApiError && error.status === 410) return await this.allPages(undefined)
      throw error
    }
  }

  private async allPages (limit: number | undefined): Promise<{ objects: KubeObject[], version: string }> {
    const objects: KubeObject[] = []
    let version = ''
    let next: string | undefined
    do {
      const page = await this.page({ limit: limit?.toString(), continue: next })
      for (const object of page.items ?? []) objects.push(object)
      version = page.metadata?.resourceVersion ?? version
      next = page.metadata?.continue
    } while (next !== undefined && next !== '')
    if (version === '') throw new Error('the list has no resource version')
    return { objects, version }
  }

  private async page (parameters: Readonly<Record<string, string | undefined>>): Promise<ListPage> {
    const request = this.request()
    const timer = this.options.clock.after(pageTimeoutMs, () => request.abort())
    try {
      return await this.options.api.json(this.url(parameters), request.signal) as ListPage
    } catch (error) {
      throw request.signal.aborted ? new Error(`no answer within ${pageTimeoutMs / 1000} s`, { cause: error }) : error
    } finally {
      timer.cancel()
      this.requests.delete(request)
    }
  }

  private async watch (version: string): Promise<WatchEnd> {
    const { api, clock, random, silenceMs } = this.options
    const request = this.request()
    this.watching = request
    this.delivered = false
    let heardAt = clock.now()
    let open = false
    let timer = clock.after(headTimeoutMs, look)
    function look (): void {
      const left = heardAt + (open ? silenceMs : headTimeoutMs) - clock.now()
      if (left > 0) timer = clock.after(left, look)
      else request.abort()
    }
    const url = this.url({
      watch: 'true', allowWatchBookmarks: 'true', resourceVersion: version, timeoutSeconds: String(Math.ceil(watchSecs * (1 + random())))
    })
    try {
      await api.lines(url, request.signal, () => {
        open = true
        heardAt = clock.now()
        this.heard()
        this.well('watch')
      }, line => this.event(line))
      return 'ended'
    } catch (error) {
      if (request.signal.reason === 'behind') return 'behind'
      if (error instanceof ApiError && error.status === 410) return 'expired'
      if (this.stopped) return 'ended'
      if (open && request.signal.aborted) {
        this.options.log.warn({ seconds: silenceMs / 1000 }, `kubernetes: the watch on ${this.options.what} delivered nothing for too long, opening another`)
        return 'silent'
      }
      this.ill('watch', request.signal.aborted ? new Error(`no answer within ${headTimeoutMs / 1000} s`) : error)
      return 'failed'
    } finally {
      timer.cancel()
      this.watching = undefined
      this.requests.delete(request)
    }
  }

  private event (line: string): void {
    const { type = '', object } = JSON.parse(line) as WatchEvent
    if (type === 'ERROR') throw new ApiError(object?.code ?? 500, object?.message ?? 'the watch ended with an error')
    if (object === undefined) return
    this.delivered = true
    if (this.copy.take(type, object)) this.options.changed()
  }

  private replaceWatch (missed: number): void {
    if (this.watching === undefined) return
    this.options.log.info({ missed }, `kubernetes: the watch on ${this.options.what} had missed changes that a list showed, opening another`)
    this.watching.abort('behind')
  }

  private url (parameters: Readonly<Record<string, string | undefined>>): string {
    const { path, labelSelector } = this.options
    const given = Object.entries({ labelSelector, ...parameters }).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== '')
    return `${path}?${new URLSearchParams(given).toString()}`
  }

  private request (): AbortController {
    const controller = new AbortController()
    if (this.stopped) controller.abort()
    else this.requests.add(controller)
    return controller
  }

  private heard (): void {
    this.contactAt = this.options.clock.now()
  }

  private well (verb: 'list' | 'watch'): void {
    if (this.troubles.delete(verb) && this.troubles.size === 0) this.options.log.info({}, `kubernetes: ${this.options.what} can be followed again`)
  }

  private ill (verb: 'list' | 'watch', error: unknown): void {
    const { what, resource, log } = this.options
    const text = describe(verb, what, resource, error)
    // an API server that is away is asked again and again, and told of once
    if (this.troubles.get(verb) === text) return
    this.troubles.set(verb, text)
    log.warn({ reason: error instanceof Error ? error.message : String(error) }, `kubernetes: ${text}${this.everListed ? '; the last known list stays in force' : ''}`)
  }

  private async pause (milliseconds: number): Promise<void> {
    if (this.stopped) return
    await new Promise<void>(resolve => {
      const timer = this.options.clock.after(milliseconds, resolve)
      this.wake = () => {
        timer.cancel()
        resolve()
      }
    })
  }
}

function describe (verb: string, what: string, resource: string, error: unknown): string {
  if (error instanceof ApiError && error.status === 403) return `not allowed to ${verb} ${what} (403): grant get, list and watch on ${resource}`
  if (error instanceof ApiError && error.status === 401) return `not allowed to ${verb} ${what} (401): the API server does not accept the credentials`
  return `cannot ${verb} ${what}: ${explain(error)}`
}

function add<Reason extends string> (counts: Map<Reason, number>, reason: Reason): void {
  counts.set(reason, (counts.get(reason) ?? 0) + 1)
}
