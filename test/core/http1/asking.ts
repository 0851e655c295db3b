// Requests made with the agent itself, and all that their handlers are told.
import type { Test } from 'tap'
import type { Dispatcher } from 'undici'
import { createTrafficAgent } from '../../../core/dispatcher.ts'
import type { DispatcherOptions } from '../../../core/dispatcher.ts'
import type { Http1Agent } from '../../../core/http1/agent.ts'

/** One request, and what its handler was told so far. */
export interface Asked {
  controller: Dispatcher.DispatchController | undefined
  status: number
  message: string
  /** Flat. */
  headers: readonly string[]
  /** By name, as undici's handlers have them. */
  map: Record<string, unknown>
  readonly pieces: Buffer[]
  readonly body: string
  trailers: readonly string[]
  error: (Error & { code?: string }) | undefined
  /** What it was told, in its order; a piece of the body is its length. */
  readonly told: Array<string | number>
  /** What `dispatch` returned. */
  sent: boolean
  /** Resolves when the answer is complete or failed. */
  readonly over: Promise<void>
}

/** What a handler does when it is told. */
export interface Hooks {
  readonly start?: (controller: Dispatcher.DispatchController) => void
  readonly head?: (controller: Dispatcher.DispatchController) => void
  readonly data?: (controller: Dispatcher.DispatchController, piece: Buffer, asked: Asked) => void
  readonly end?: () => void
}

/** An agent that ends with the test. */
export function startAgent (t: Test, options: DispatcherOptions = {}): Http1Agent {
  const agent = createTrafficAgent(options)
  t.teardown(() => agent.destroy())
  return agent
}

/** Makes a request of a worker on this machine. */
export function ask (agent: Dispatcher, port: number, options: Partial<Dispatcher.DispatchOptions> = {}, hooks: Hooks = {}): Asked {
  let settle = (): void => {}
  const pieces: Buffer[] = []
  const asked: Asked = {
    controller: undefined,
    status: 0,
    message: '',
    headers: [],
    map: {},
    pieces,
    get body () { return Buffer.concat(pieces).toString('latin1') },
    trailers: [],
    error: undefined,
    told: [],
    sent: false,
    over: new Promise(resolve => { settle = resolve })
  }
  asked.sent = agent.dispatch({ origin: `http://127.0.0.1:${port}`, path: '/', method: 'GET', ...options }, {
    onRequestStart (controller) {
      asked.told.push('start')
      asked.controller = controller
      hooks.start?.(controller)
    },
    onResponseStart (controller, status, headers, message) {
      asked.told.push('head')
      const flat = Array.isArray(controller.rawHeaders) ? controller.rawHeaders.map(String) : []
      Object.assign(asked, { status, message, headers: flat, map: headers })
      hooks.head?.(controller)
    },
    onResponseData (controller, piece) {
      asked.told.push(piece.length)
      pieces.push(piece)
      hooks.data?.(controller, piece, asked)
    },
    onResponseEnd (controller) {
      asked.told.push('end')
      asked.trailers = Array.isArray(controller.rawTrailers) ? controller.rawTrailers.map(String) : []
      settle()
      hooks.end?.()
    },
    onResponseError (_controller, error) {
      asked.told.push('error')
      asked.error = error
      settle()
    }
  })
  return asked
}
