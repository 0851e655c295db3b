// Tells when the content of a file changes, however it is changed: written, replaced by an editor, or swapped as Kubernetes does with a ConfigMap.
import { createHash } from 'node:crypto'
import { watch } from 'node:fs'
import type { FSWatcher } from 'node:fs'
import { readFile, realpath } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Editors and ConfigMaps change a file in several steps; this long after the last one it is read. */
const settleMs = 100
/** Some file systems tell nothing, and a folder may be replaced as a whole: the file is looked at this often in any case. */
const lookMs = 10_000

/**
 * Calls `changed` once at the start, and when the file's content is another than before. Returns what ends the watch.
 * @param lost called when the file cannot be read any more, once until it can again
 */
export function watchFile (path: string, changed: () => void, lost: () => void = () => {}): () => void {
  const watchers = new Map<string, FSWatcher>()
  /** A hash of the content: the file may hold secrets. */
  let content: string | undefined
  /** The hash of what was read last; it counts once it has been read twice, for a file is empty while it is being written. */
  let candidate: string | undefined
  /** How often in a row the file could not be read: it may be away for a moment while it is replaced. */
  let misses = 0
  let settle: NodeJS.Timeout | undefined
  let over = false

  function follow (folders: ReadonlySet<string>): void {
    for (const [folder, watcher] of watchers) {
      if (folders.has(folder)) continue
      watcher.close()
      watchers.delete(folder)
    }
    for (const folder of folders) {
      if (watchers.has(folder)) continue
      try {
        const watcher = watch(folder, { persistent: false }, soon)
        watcher.on('error', () => {
          watcher.close()
          watchers.delete(folder)
        })
        watchers.set(folder, watcher)
      } catch {
        // the folder is gone for now
      }
    }
  }

  async function look (): Promise<void> {
    const target = await realpath(path).catch(() => undefined)
    if (over) return
    // the folder, not the file: a watch on a file stays with the one that was replaced
    follow(new Set([dirname(path), ...(target === undefined ? [] : [dirname(target)])]))
    const bytes = await readFile(path).catch(() => undefined)
    if (over) return
    if (bytes === undefined) {
      if (++misses === 1) soon()
      else if (misses === 2) lost()
      return
    }
    misses = 0
    const now = createHash('sha256').update(bytes).digest('hex')
    if (content === undefined) {
      // what the caller read may be older than this
      content = now
      changed()
    } else if (now !== content && now !== candidate) soon()
    else if (now !== content) {
      content = now
      changed()
    }
    candidate = now
  }

  function soon (): void {
    clearTimeout(settle)
    settle = setTimeout(() => { void look() }, settleMs)
    settle.unref()
  }

  const timer = setInterval(() => { void look() }, lookMs)
  timer.unref()
  void look()
  return () => {
    over = true
    clearInterval(timer)
    clearTimeout(settle)
    for (const watcher of watchers.values()) watcher.close()
  }
}
