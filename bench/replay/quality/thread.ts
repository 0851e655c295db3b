// A thread that runs one task after another.
import { parentPort, workerData } from 'node:worker_threads'
import { runTask } from './task.ts'
import type { Task } from './task.ts'

const { folder } = workerData as { folder: string }
parentPort?.on('message', (task: Task) => parentPort?.postMessage(runTask(folder, task)))
