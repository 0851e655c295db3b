// A copy of a collection of the API server, put together from lists and from what a watch says while lists are under way.
import type { KubeObject } from './objects.ts'
import { compareVersions } from './resource-version.ts'

/** One object of the copy, and the version it was last seen at. */
export interface Entry<Item> {
  readonly version: string
  readonly item: Item
}

/** A deleted object keeps the version of its deletion. */
type News<Item> = { readonly version: string, readonly item: Item | undefined }

/** What a list showed about the watch. */
export interface Comparison {
  /** Changes that the watch had not delivered. */
  readonly missed: number
  /** The list is older than what was known before it was asked for: the cluster's store was put back to an earlier state. */
  readonly backwards: boolean
}

/**
 * While a list is under way the watch goes on. When the list is there, it replaces the copy, but for objects the watch has newer news of.
 * So neither a late event nor a list can bring back what is gone, and nothing has to wait for a list.
 */
export class Copy<Item extends object> {
  private readonly entries = new Map<string, Entry<Item>>()
  private readonly read: (object: KubeObject) => Item
  private at: string | undefined
  /** Events up to this version are in the last list. */
  private floor = ''
  /** What the watch brought while a list is under way, by uid. */
  private since: Map<string, News<Item>> | undefined
  private before: string | undefined

  /** @param read keeps what is needed of an object; must not throw */
  constructor (read: (object: KubeObject) => Item) {
    this.read = read
  }

  /** The version to watch from; undefined when a list must come first. */
  get version (): string | undefined {
    return this.at
  }

  get size (): number {
    return this.entries.size
  }

  * items (): Generator<Item> {
    for (const { item } of this.entries.values()) yield item
  }

  /** The version is too old to watch from. The objects stay until the next list. */
  expire (): void {
    this.at = undefined
  }

  /** A list was asked for. */
  beginList (): void {
    this.since = new Map()
    this.before = this.at
  }

  /** There will be no list after all. */
  dropList (): void {
    this.since = undefined
  }

  /** The list that was asked for last, as of `version`. */
  endList (objects: readonly KubeObject[], version: string): Comparison {
    const { since = new Map<string, News<Item>>(), before } = this
    this.since = undefined
    const listed = new Map<string, Entry<Item>>()
    for (const object of objects) {
      const { uid, resourceVersion } = object.metadata ?? {}
      if (uid !== undefined && resourceVersion !== undefined) listed.set(uid, { version: resourceVersion, item: this.read(object) })
    }
    let missed = 0
    for (const [uid, entry] of this.entries) if (!since.has(uid) && listed.get(uid)?.version !== entry.version) missed++
    for (const uid of listed.keys()) if (!since.has(uid) && !this.entries.has(uid)) missed++
    for (const [uid, { version: changed, item }] of since) {
      if (!(compareVersions(changed, version) > 0)) continue
      if (item === undefined) listed.delete(uid)
      else listed.set(uid, { version: changed, item })
    }
    this.entries.clear()
    for (const [uid, entry] of listed) this.entries.set(uid, entry)
    // a list is never older than an event that came before it was asked for
    const backwards = before !== undefined && this.at === before && compareVersions(version, before) < 0
    if (this.at === undefined || backwards || !(compareVersions(this.at, version) > 0)) this.at = version
    this.floor = version
    return { missed, backwards }
  }

  /** One event of the watch: an object that was added or changed, one that is gone, or a bookmark, which has a version only. False when it says nothing new. */
  take (type: string, object: KubeObject): boolean {
    const { uid, resourceVersion: version } = object.metadata ?? {}
    // the list that came meanwhile holds it already
    if (version === undefined || compareVersions(version, this.floor) <= 0) return false
    this.at = version
    if (type === 'BOOKMARK' || uid === undefined) return false
    const item = type === 'DELETED' ? undefined : this.read(object)
    this.since?.set(uid, { version, item })
    if (item === undefined) this.entries.delete(uid)
    else this.entries.set(uid, { version, item })
    return true
  }
}
