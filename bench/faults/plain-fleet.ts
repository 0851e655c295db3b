// Plain workers in processes of their own.
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { end, forkModule } from './processes.ts'

/** A plain worker that runs. */
export interface PlainWorker {
  readonly child: ChildProcess
  readonly url: string
  /** Bytes written so far of streams without end. */
  poured (): Promise<number>
  close (): Promise<void>
}

/** Starts one. It serves the model `plain`, and streams without end what asks for `"flood":true`. */
export async function startPlainWorker (): Promise<PlainWorker> {
  const child = forkModule('./plain-worker.js')
  const [{ url }] = await once(child, 'message') as [{ url: string }]
  return {
    child,
    url,
    async poured () {
      const told = once(child, 'message') as Promise<[{ poured: number }]>
      child.send('poured')
      return (await told)[0].poured
    },
    async close () { await end(child) }
  }
}
