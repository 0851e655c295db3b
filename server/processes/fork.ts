// Starts children by `node:cluster`: the primary takes connections and hands them to the children in turn.
import cluster from 'node:cluster'
import type { Worker } from 'node:cluster'
import { fileURLToPath } from 'node:url'
import type { ToPrimary } from './messages.ts'
import { rescueConnections } from './rescue.ts'
import type { ProcessHandle } from './supervisor.ts'

/**
 * Makes what starts a child. Children load their code at once, and say so when they have; whoever listens then, or later, hears of it.
 * None is left when this process ends.
 *
 * @param rescued told of a connection that its process did not live to take
 */
export function forker (rescued: () => void): () => ProcessHandle {
  const own = import.meta.url
  const alive = new Set<Worker>()
  cluster.schedulingPolicy = cluster.SCHED_RR
  cluster.setupPrimary({ exec: fileURLToPath(new URL(own.endsWith('.ts') ? './child.ts' : './child.js', own)), args: [], serialization: 'advanced' })
  process.once('exit', () => { for (const worker of alive) worker.process.kill('SIGKILL') })

  return () => {
    const worker = cluster.fork()
    alive.add(worker)
    rescueConnections(worker, rescued)
    let hear: ((message: ToPrimary) => void) | undefined
    let ended: ((code: number | null, signal: NodeJS.Signals | null) => void) | undefined
    let missed: ToPrimary[] = []
    let end: [code: number | null, signal: NodeJS.Signals | null] | undefined
    // one that ends while it is told something: its end is heard of
    worker.on('error', () => {})
    worker.on('message', (message: ToPrimary) => {
      if (hear === undefined) missed.push(message)
      else hear(message)
    })
    worker.once('exit', (code: number | null, signal: NodeJS.Signals | null) => {
      alive.delete(worker)
      end = [code, signal]
      ended?.(code, signal)
    })
    return {
      send (message, sent) {
        if (worker.isConnected()) worker.process.send(message, undefined, undefined, sent)
        else sent()
      },
      kill (signal) { worker.process.kill(signal) },
      follow (onMessage, onExit) {
        hear = onMessage
        ended = onExit
        for (const message of missed) onMessage(message)
        missed = []
        if (end !== undefined) onExit(...end)
      }
    }
  }
}
