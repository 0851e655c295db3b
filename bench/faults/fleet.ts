// A fleet of simulated workers in another process, as scenarios see it.
import type { ChildProcess } from 'node:child_process'
import type { Failure } from '../../simulator/failures.ts'
import { end, forkModule } from './processes.ts'

/** What the fleet's process can be told. */
export type FleetCommand =
  | { readonly do: 'start', readonly count: number, readonly port?: number }
  | { readonly do: 'fail', readonly workers: readonly number[], readonly failure: Failure }
  | { readonly do: 'slow', readonly worker: number, readonly factor: number }
  | { readonly do: 'restart', readonly worker: number }
  | { readonly do: 'load' }

/** The handle to a fleet. */
export class Fleet {
  readonly child: ChildProcess
  urls: string[] = []
  private readonly waiting = new Map<number, { resolve (value: unknown): void, reject (error: Error): void }>()
  private last = 0

  constructor (child: ChildProcess) {
    this.child = child
    child.on('message', (message: { id: number, value?: unknown, error?: string }) => {
      const waiter = this.waiting.get(message.id)
      this.waiting.delete(message.id)
      if (message.error === undefined) waiter?.resolve(message.value)
      else waiter?.reject(new Error(message.error))
    })
    child.once('close', () => {
      for (const { reject } of this.waiting.values()) reject(new Error('the fleet is gone'))
      this.waiting.clear()
    })
  }

  /** Has a command carried out. */
  async tell (command: FleetCommand): Promise<unknown> {
    const id = ++this.last
    return await new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject })
      this.child.send({ id, command }, error => { if (error !== null) reject(error) })
    })
  }

  /** Makes workers suffer from a failure; mode `none` heals them. */
  async fail (workers: readonly number[], failure: Failure): Promise<void> {
    await this.tell({ do: 'fail', workers, failure })
  }

  /** Sequences on all engines. */
  async load (): Promise<number> {
    return Number(await this.tell({ do: 'load' }))
  }

  /** Kills the process. */
  async close (): Promise<void> {
    await end(this.child)
  }
}

/** Starts so many workers in one new process. */
export async function startFleet (count: number, port?: number): Promise<Fleet> {
  const fleet = new Fleet(forkModule('./fleet-process.js'))
  fleet.urls = await fleet.tell({ do: 'start', count, ...(port === undefined ? {} : { port }) }) as string[]
  return fleet
}
