// A small store with versions, lists and watches, as an API server has them, for tests that want to say what goes wrong.
import { setImmediate } from 'node:timers/promises'
import { ApiError } from '../../discovery/kubernetes/api.ts'
import type { ListWatchApi } from '../../discovery/kubernetes/api.ts'
import type { KubeObject } from '../../discovery/kubernetes/objects.ts'

interface Change { readonly version: number, readonly type: string, readonly object: KubeObject }

/** One watch that is open. */
interface OpenWatch {
  readonly send: (text: string) => void
  readonly end: (error?: Error) => void
}

/** Objects by uid; every change has the next version. */
export class Store implements ListWatchApi {
  version = 100
  readonly objects = new Map<string, KubeObject>()
  readonly history: Change[] = []
  /** Versions below this are forgotten. */
  oldest = 0
  /** Paths asked for, oldest first. */
  readonly asked: URLSearchParams[] = []
  readonly watches = new Set<OpenWatch>()
  /** Errors that the next requests end with, lists and watches apart. */
  readonly listErrors: Error[] = []
  readonly watchErrors: Error[] = []
  /** Lists wait for this; answers are as of when they were asked for. */
  gate: Promise<void> | undefined
  /** Watches are opened and deliver nothing. */
  frozen = false
  /** Requests are never answered. */
  dead = false

  put (uid: string, { metadata, ...rest }: KubeObject & object = {}): void {
    this.change(this.objects.has(uid) ? 'MODIFIED' : 'ADDED', { ...rest, metadata: { uid, name: uid, ...metadata, resourceVersion: String(++this.version) } })
  }

  delete (uid: string): void {
    const object = this.objects.get(uid)
    if (object !== undefined) this.change('DELETED', { metadata: { ...object.metadata, resourceVersion: String(++this.version) } })
  }

  bookmark (): void {
    this.send({ type: 'BOOKMARK', object: { metadata: { resourceVersion: String(this.version) } } })
  }

  /** Says something on all watches. */
  send (event: object): void {
    if (!this.frozen) for (const watch of this.watches) watch.send(JSON.stringify(event))
  }

  /** Ends all watches: regularly, or with an error. */
  endWatches (error?: Error): void {
    for (const watch of this.watches) watch.end(error)
  }

  private change (type: string, object: KubeObject): void {
    const { uid = '' } = object.metadata ?? {}
    this.history.push({ version: this.version, type, object })
    if (type === 'DELETED') this.objects.delete(uid)
    else this.objects.set(uid, object)
    this.send({ type, object })
  }

  async json (path: string, signal: AbortSignal): Promise<unknown> {
    const query = this.query(path)
    const limit = Number(query.get('limit') ?? Infinity)
    const [at, from] = (query.get('continue') ?? `${this.version} 0`).split(' ').map(Number) as [number, number]
    const all = [...this.objects.values()]
    await this.answer(signal, this.listErrors)
    if (this.gate !== undefined) await this.gate
    if (at < this.oldest) throw new ApiError(410, 'the continue token is too old')
    return {
      metadata: { resourceVersion: String(at), ...(from + limit < all.length ? { continue: `${at} ${from + limit}` } : {}) },
      items: all.slice(from, from + limit)
    }
  }

  async lines (path: string, signal: AbortSignal, heard: () => void, line: (text: string) => void): Promise<void> {
    const query = this.query(path)
    const from = Number(query.get('resourceVersion'))
    await this.answer(signal, this.watchErrors)
    heard()
    await new Promise<void>((resolve, reject) => {
      const watch: OpenWatch = {
        send (text) {
          heard()
          try {
            line(text)
          } catch (error) {
            watch.end(error as Error)
          }
        },
        end: error => {
          this.watches.delete(watch)
          if (error === undefined) resolve()
          else reject(error)
        }
      }
      this.watches.add(watch)
      signal.addEventListener('abort', () => watch.end(new Error('aborted')))
      if (from < this.oldest) watch.send(JSON.stringify({ type: 'ERROR', object: { code: 410, reason: 'Expired', message: `too old resource version: ${from}` } }))
      else if (!this.frozen) for (const { version, type, object } of this.history) if (version > from) watch.send(JSON.stringify({ type, object }))
    })
  }

  private query (path: string): URLSearchParams {
    const query = new URLSearchParams(path.slice(path.indexOf('?') + 1))
    this.asked.push(query)
    return query
  }

  private async answer (signal: AbortSignal, errors: Error[]): Promise<void> {
    await setImmediate()
    if (signal.aborted) throw new Error('aborted')
    if (this.dead) await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))
    const error = errors.shift()
    if (error !== undefined) throw error
  }
}
