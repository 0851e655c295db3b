// Counts what each caller asks for, under a bounded number of names.
import type { FastifyRequest } from 'fastify'
import type { Caller } from '../auth/caller.ts'
import type { RouterMetrics } from './metric-table.ts'

/** The counts of callers. */
export class CallerCounts {
  private readonly metrics: Pick<RouterMetrics, 'callerRequests' | 'callerTokens'>
  private readonly most: number
  private readonly names = new Set<string>()

  /** @param most callers with a name of their own: those that come first */
  constructor (metrics: Pick<RouterMetrics, 'callerRequests' | 'callerTokens'>, most: number) {
    this.metrics = metrics
    this.most = most
  }

  /** Counts a request whose reply has been closed and whose call is over. */
  count ({ name }: Caller, request: FastifyRequest): void {
    const label = this.label(name)
    this.metrics.callerRequests.labels(label).inc()
    const usage = request.workerCall?.usage
    if (usage?.promptTokens !== undefined) this.metrics.callerTokens.labels(label, 'prompt').inc(usage.promptTokens)
    if (usage?.completionTokens !== undefined) this.metrics.callerTokens.labels(label, 'completion').inc(usage.completionTokens)
  }

  private label (name: string): string {
    if (this.names.has(name)) return name
    if (this.names.size >= this.most) return 'other'
    this.names.add(name)
    return name
  }
}
