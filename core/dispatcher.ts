// The way out to the workers: one undici agent, and the wrapper that tells each call's exchange what happens on it.
import { Agent } from 'undici'
import type { Dispatcher } from 'undici'
import type { Exchange } from './exchange.ts'
import { textHeaders } from './headers.ts'

/** Under this key a call's exchange travels on the dispatch options. Undici ignores keys that are symbols. */
export const kExchange: unique symbol = Symbol('vllm-router.exchange')

/** Connection settings; times in milliseconds. */
export interface DispatcherOptions {
  /** How long a connection may take to come about. Default 10,000. */
  connectTimeoutMs?: number
  /** How long an idle connection is kept; below the worker's own keep-alive (uvicorn: 5 s), else requests meet a closing one. 0 = none is kept. Default 2,000. */
  idleTimeoutMs?: number
  /** How long a worker may be silent before its answer, and between two pieces of it. Default 1,800,000. */
  silenceTimeoutMs?: number
}

class TrackedHandler implements Dispatcher.DispatchHandler {
  private readonly exchange: Exchange
  private readonly inner: Dispatcher.DispatchHandler

  constructor (exchange: Exchange, inner: Dispatcher.DispatchHandler) {
    this.exchange = exchange
    this.inner = inner
  }

  onRequestStart (controller: Dispatcher.DispatchController, context: unknown): void {
    this.inner.onRequestStart?.(controller, context)
    this.exchange.started(controller)
  }

  onResponseStart (...[controller, status, headers, message]: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>): void {
    // 103 Early Hints and the like come before the answer and are not it
    if (status < 200) return
    this.exchange.head(status, textHeaders(controller.rawHeaders), message)
    this.inner.onResponseStart?.(controller, status, headers, message)
  }

  onResponseData (controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.exchange.data(chunk)
    this.inner.onResponseData?.(controller, chunk)
  }

  onResponseEnd (...[controller, trailers]: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseEnd']>>): void {
    this.exchange.completed()
    this.inner.onResponseEnd?.(controller, trailers)
  }

  onResponseError (controller: Dispatcher.DispatchController, error: Error): void {
    this.exchange.failed(error)
    this.inner.onResponseError?.(controller, error)
  }
}

/** Wraps a dispatch so that calls which carry an exchange report to it. */
export const tracked: Dispatcher.DispatcherComposeInterceptor = dispatch => (options, handler) => {
  const { [kExchange]: exchange } = options as { [kExchange]?: Exchange }
  return dispatch(options, exchange === undefined ? handler : new TrackedHandler(exchange, handler))
}

/** An agent for calls to workers. */
export function createAgent (options: DispatcherOptions = {}): Agent {
  const idle = options.idleTimeoutMs ?? 2000
  const silence = options.silenceTimeoutMs ?? 1_800_000
  return new Agent({
    connect: { timeout: options.connectTimeoutMs ?? 10_000 },
    keepAliveTimeout: Math.max(idle, 1),
    keepAliveMaxTimeout: Math.max(idle, 1),
    pipelining: idle === 0 ? 0 : 1,
    headersTimeout: silence,
    bodyTimeout: silence
  })
}
