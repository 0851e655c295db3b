// The connections to the workers: an agent for traffic, and undici's for the router's own questions.
import { Agent, buildConnector } from 'undici'
import { Http1Agent } from './http1/agent.ts'
import { onread } from './http1/connection.ts'

/** Connection settings; times in milliseconds. */
export interface DispatcherOptions {
  /** How long a connection may take to come about. Default 10,000. */
  connectTimeoutMs?: number
  /** Makes connections, in place of `connectTimeoutMs`; those for traffic must read by `onread` of `core/http1`. */
  connect?: ReturnType<typeof buildConnector>
  /** How long an idle connection is kept; below the worker's own keep-alive (uvicorn: 5 s), else requests meet a closing one. 0 = none is kept. Default 2,000. */
  idleTimeoutMs?: number
  /** How long a worker may be silent before the head of its answer; 0 = no limit here. Default 1,800,000. */
  headTimeoutMs?: number
  /** How long a worker may be silent between two pieces of its answer; 0 = no limit. Default 1,800,000. */
  idleBodyTimeoutMs?: number
}

/** An agent for traffic. Its handlers, bodies and answers are described with `Http1Agent`. */
export function createTrafficAgent (options: DispatcherOptions = {}): Http1Agent {
  return new Http1Agent({
    connect: options.connect ?? buildConnector({ timeout: options.connectTimeoutMs ?? 10_000, onread }),
    idleMs: options.idleTimeoutMs ?? 2000,
    headMs: options.headTimeoutMs ?? 1_800_000,
    bodyMs: options.idleBodyTimeoutMs ?? 1_800_000
  })
}

/** An agent for calls of any kind. */
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
