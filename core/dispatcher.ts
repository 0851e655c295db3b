// The connections to the workers: one undici agent.
import { Agent } from 'undici'
import type { buildConnector } from 'undici'

/** Connection settings; times in milliseconds. */
export interface DispatcherOptions {
  /** How long a connection may take to come about. Default 10,000. */
  connectTimeoutMs?: number
  /** Makes connections, in place of `connectTimeoutMs`. */
  connect?: ReturnType<typeof buildConnector>
  /** How long an idle connection is kept; below the worker's own keep-alive (uvicorn: 5 s), else requests meet a closing one. 0 = none is kept. Default 2,000. */
  idleTimeoutMs?: number
  /** How long a worker may be silent before the head of its answer; 0 = no limit here. Default 1,800,000. */
  headTimeoutMs?: number
  /** How long a worker may be silent between two pieces of its answer; 0 = no limit. Default 1,800,000. */
  idleBodyTimeoutMs?: number
}

/** An agent for calls to workers. */
export function createAgent (options: DispatcherOptions = {}): Agent {
  const idle = options.idleTimeoutMs ?? 2000
  return new Agent({
    connect: options.connect ?? { timeout: options.connectTimeoutMs ?? 10_000 },
    keepAliveTimeout: Math.max(idle, 1),
    keepAliveMaxTimeout: Math.max(idle, 1),
    pipelining: idle === 0 ? 0 : 1,
    headersTimeout: options.headTimeoutMs ?? 1_800_000,
    bodyTimeout: options.idleBodyTimeoutMs ?? 1_800_000
  })
}
