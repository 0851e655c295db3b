// A connection that comes when its attempt was given up carries no request; what it tells is not heard.
import t from 'tap'
import type { Dispatcher } from 'undici'
import { delivering, kDelivery } from '../../core/delivery.ts'
import type { Delivery } from '../../core/delivery.ts'
import { Exchange } from '../../core/exchange.ts'
import { ManualClock } from '../helpers/manual-clock.ts'

class Controller implements Dispatcher.DispatchController {
  aborted = false
  paused = false
  reason: Error | null = null
  rawHeaders: Buffer[] = []
  abort (reason: Error): void {
    this.aborted = true
    this.reason = reason
  }

  pause (): void {}
  resume (): void {}
}

for (const way of ['the time is over', 'the client leaves'] as const) {
  t.test(way, async t => {
    const clock = new ManualClock()
    const handlers: Dispatcher.DispatchHandler[] = []
    const heard: string[] = []
    const settled: string[] = []
    let abort: (reason: Error) => void = () => {}
    const delivery: Delivery = {
      next: () => ({
        origin: 'http://worker',
        path: '/',
        headers: [],
        limitMs: 50,
        exchange: new Exchange(clock, { settled: exchange => { settled.push(exchange.end ?? '') } })
      }),
      pause: () => 0,
      answered () {},
      attach (given) { abort = given }
    }
    const dispatch = delivering(clock)((_options, handler) => {
      handlers.push(handler)
      return true
    })
    dispatch({ origin: '', path: '/', method: 'GET', [kDelivery]: delivery } as Dispatcher.DispatchOptions, {
      onRequestStart () { heard.push('start') },
      onResponseStart (_controller, status) { heard.push(String(status)) },
      onResponseEnd () { heard.push('end') },
      onResponseError (_controller, error) { heard.push(error.message) }
    })
    t.same(heard, ['start'])
    if (way === 'the time is over') await clock.advance(50)
    else abort(new Error('gone'))
    t.equal(handlers.length, way === 'the time is over' ? 2 : 1)

    const late = new Controller()
    handlers[0]?.onRequestStart?.(late, undefined)
    t.equal(late.aborted, true, 'the request does not go out')
    handlers[0]?.onResponseError?.(late, new Error('aborted'))
    t.equal(settled.length, 1)
    if (way === 'the time is over') {
      const controller = new Controller()
      handlers[1]?.onRequestStart?.(controller, undefined)
      handlers[1]?.onResponseStart?.(controller, 200, {}, 'OK')
      handlers[1]?.onResponseEnd?.(controller, {})
      t.equal(controller.aborted, false)
      t.same([heard, settled], [['start', '200', 'end'], ['failed', 'completed']])
    } else t.same(heard, ['start', 'gone'])
    t.equal(clock.pending, 0)
  })
}
