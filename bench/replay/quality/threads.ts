// Runs tasks in as many threads as there are processors to spare, and each task once.
import { Worker } from 'node:worker_threads'
import type { Task, TaskFigures } from './task.ts'

interface Waiting {
  readonly task: Task
  readonly resolve: (figures: TaskFigures) => void
}

/** A row of tasks and the threads that work on it. */
export class Threads {
  /** Tasks done. */
  done = 0
  private readonly idle: Worker[] = []
  private readonly all: Worker[] = []
  private readonly waiting: Waiting[] = []
  private readonly known = new Map<string, Promise<TaskFigures>>()
  private readonly current = new Map<Worker, Waiting>()

  constructor (count: number, folder: string, failed: (error: Error) => void) {
    for (let i = 0; i < count; i++) {
      const worker = new Worker(new URL('./thread.js', import.meta.url), { workerData: { folder } })
      worker.on('message', (figures: TaskFigures) => this.ended(worker, figures))
      worker.on('error', failed)
      this.all.push(worker)
      this.idle.push(worker)
    }
  }

  /** Figures of a task, from memory where it was run before. */
  async run (task: Task): Promise<TaskFigures> {
    const key = JSON.stringify([task.scenario, task.policy, task.load, task.seed])
    let figures = this.known.get(key)
    if (figures === undefined) {
      figures = new Promise(resolve => { this.waiting.push({ task, resolve }) })
      this.known.set(key, figures)
      this.next()
    }
    return await figures
  }

  async close (): Promise<void> {
    await Promise.all(this.all.map(async worker => await worker.terminate()))
  }

  private ended (worker: Worker, figures: TaskFigures): void {
    this.done++
    this.current.get(worker)?.resolve(figures)
    this.idle.push(worker)
    this.next()
  }

  private next (): void {
    while (this.idle.length > 0) {
      const waiting = this.waiting.shift()
      const worker = waiting && this.idle.pop()
      if (waiting === undefined || worker === undefined) return
      this.current.set(worker, waiting)
      worker.postMessage(waiting.task)
    }
  }
}
