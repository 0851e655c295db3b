// The requests that are with workers: found and ended by those who cannot wait for their end.
import { EventEmitter } from 'node:events'
import { ShuttingDownError, WorkerRemovedError } from '../core/errors.ts'
import { InFlight } from '../core/in-flight.ts'
import type { Worker } from '../core/worker.ts'
import type { ClientDelivery } from './request-delivery.ts'

/** What deliveries tell. */
export interface DeliveryEvents {
  /** What a worker has was ended. */
  cut: [worker: Worker]
}

/** A request that is with workers. */
export interface Delivered {
  readonly delivery: ClientDelivery
  /** Answers the client with an error, or ends the answer that has begun with one. */
  end (error: Error): void
}

/** `fastify.deliveries`. */
export class Deliveries extends EventEmitter<DeliveryEvents> {
  private readonly live = new InFlight<Delivered>()

  get size (): number {
    return this.live.size
  }

  /** Returns what takes the request out. */
  add (request: Delivered): () => void {
    return this.live.add(request)
  }

  /** Ends every request: 503 where no answer has begun, an error event at the end of a stream, a cut elsewhere. */
  endAll (): void {
    for (const request of this.live) request.end(new ShuttingDownError())
  }

  /**
   * Ends what one worker has: streams end with an error event; what is not answered yet may go to another worker. Returns how
   * many requests it had.
   */
  cut (worker: Worker): number {
    const calls = [...this.live].flatMap(({ delivery }) => delivery.underWay()).filter(call => call.assignment.worker === worker)
    for (const call of calls) call.exchange.cut(new WorkerRemovedError())
    this.emit('cut', worker)
    return calls.length
  }
}
