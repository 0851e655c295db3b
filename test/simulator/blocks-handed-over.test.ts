// Blocks go from one engine to another: kept by the one, loaded by the other, at any clock; nothing is lost or counted twice.
import fc from 'fast-check'
import t from 'tap'
import { Engine, VirtualClock } from '../../simulator/index.ts'
import type { EngineHandle, EngineOptions, Hold, Load } from '../../simulator/index.ts'

const prompt = (tokens: number, family = 0): number[] => Array.from({ length: tokens }, (_, at) => family * 10_000 + at)

/** A load that takes the blocks of `hold`, and gives them back at its end. */
function from (hold: () => Hold | undefined, orElse: Load['orElse'] = 'fail'): Load & { ended: number } {
  const load = {
    orElse,
    ended: 0,
    start: (done: (found: boolean) => void) => done(hold()?.state === 'held'),
    end () {
      load.ended++
      hold()?.release()
    }
  }
  return load
}

function pair (options: EngineOptions = {}): { clock: VirtualClock, prefill: Engine, decode: Engine, run: (milliseconds: number) => void } {
  const clock = new VirtualClock()
  return { clock, prefill: new Engine(options, clock), decode: new Engine(options, clock), run: milliseconds => { clock.run(clock.now() + milliseconds) } }
}

t.test('a prompt prefilled here is decoded there, and costs the time of its transfer', async t => {
  const { clock, prefill, decode, run } = pair({ kvTransferMsPerToken: 0.5, prefillRate: 10_000 })
  const kept = prefill.submit({ prompt: prompt(133), maxTokens: 1, keepBlocks: true })
  t.equal(kept.hold, undefined)
  run(1000)
  t.match(kept.hold, { tokens: 133, state: 'held', blockIds: [1, 2, 3, 4, 5, 6, 7, 8, 9] })
  t.equal(prefill.stats().heldBlocks, 9)
  t.equal(prefill.stats().kvUsage, 9 / 8192)

  const load = from(() => kept.hold)
  const times: number[] = []
  const started = clock.now()
  const handle = decode.submit({ prompt: prompt(133), maxTokens: 3, load, onToken: () => times.push(clock.now() - started) })
  t.equal(decode.stats().waiting, 1)
  t.equal(decode.load, 1)
  t.equal(decode.stats().kvUsage, 9 / 8192, 'it has room while it loads')
  run(1000)
  t.same(times, [76.5, 86.5, 96.5], '66.5 ms of transfer, then a step each')
  t.equal(load.ended, 1)
  t.equal(kept.hold?.state, 'released')
  t.match(handle, { cachedTokens: 0, loadedTokens: 133 })
  t.match(decode.stats(), { promptTokens: 133, loadedPromptTokens: 133, cachedPromptTokens: 0, loadQueries: 133, loadHits: 133, prefixHits: 0, kvUsage: 0 })
  t.match(prefill.stats(), { heldBlocks: 0, holdsReleased: 1, holdsExpired: 0, kvUsage: 0 })
  t.equal(clock.pending, 0, 'nothing is waited for any more')

  // both have the prompt in their prefix caches now
  const again = decode.submit({ prompt: prompt(133), maxTokens: 1 })
  run(1000)
  t.equal(again.cachedTokens, 128)
})

t.test('only what the prefix cache lacks is loaded', async t => {
  const { prefill, decode, run } = pair()
  decode.submit({ prompt: prompt(64), maxTokens: 1 })
  const kept = prefill.submit({ prompt: prompt(133), maxTokens: 1, keepBlocks: true })
  run(1000)
  const handle = decode.submit({ prompt: prompt(133), maxTokens: 1, load: from(() => kept.hold) })
  run(1000)
  t.match(handle, { cachedTokens: 64, loadedTokens: 69 })
  t.match(decode.stats(), { loadQueries: 69, loadHits: 69, prefixHits: 64 })
})

t.test('nobody comes: the blocks are given up in time, and who waits for room gets it', async t => {
  const { prefill, run } = pair({ kvBlocks: 10, kvHoldTimeoutMs: 5000 })
  const kept = prefill.submit({ prompt: prompt(120), maxTokens: 1, keepBlocks: true })
  let done = false
  run(100)
  prefill.submit({ prompt: prompt(100, 1), maxTokens: 1, onFinished: () => { done = true } })
  run(4000)
  t.equal(done, false)
  t.match(prefill.stats(), { heldBlocks: 8, waiting: 1, running: 0 })
  run(2000)
  t.equal(done, true)
  t.equal(kept.hold?.state, 'expired')
  kept.hold?.release()
  t.match(prefill.stats(), { heldBlocks: 0, holdsExpired: 1, holdsReleased: 0 })
})

t.test('a request that waits for room in vain and leaves lets the next one go', async t => {
  const { prefill, run } = pair({ kvBlocks: 10 })
  prefill.submit({ prompt: prompt(80), maxTokens: 1, keepBlocks: true })
  run(100)
  const large = prefill.submit({ prompt: prompt(140, 1), maxTokens: 1 })
  const small = prefill.submit({ prompt: prompt(40, 2), maxTokens: 1 })
  run(100)
  t.match(prefill.stats(), { heldBlocks: 5, waiting: 2, running: 0 })
  large.abort()
  run(100)
  t.match(prefill.stats(), { waiting: 0, running: 0, finished: { length: 2 } })
  small.abort()
})

t.test('an aborted prefill keeps nothing', async t => {
  const { prefill, run } = pair()
  const handle = prefill.submit({ prompt: prompt(100), maxTokens: 5, keepBlocks: true })
  run(15)
  handle.abort()
  t.equal(handle.hold, undefined)
  t.match(prefill.stats(), { heldBlocks: 0, kvUsage: 0 })
})

t.test('blocks that are not to be had', async t => {
  for (const orElse of ['fail', 'recompute'] as const) {
    const { decode, run } = pair()
    const load = from(() => undefined, orElse)
    const reasons: string[] = []
    const handle = decode.submit({ prompt: prompt(50), maxTokens: 2, load, onFinished: reason => reasons.push(reason) })
    run(1000)
    t.same(reasons, [orElse === 'fail' ? 'error' : 'length'])
    t.equal(load.ended, 1)
    t.equal(handle.loadedTokens, 0)
    t.match(decode.stats(), { loadQueries: 50, loadHits: 0, loadFailures: orElse === 'fail' ? 1 : 0, loadedPromptTokens: 0, kvUsage: 0, aborted: 0 })
  }
})

t.test('a request that leaves while it loads, or before, says that the blocks are not needed', async t => {
  const { decode, run } = pair({ kvBlocks: 8 })
  let tell: (found: boolean) => void = () => {}
  const waitingLoad: Load & { ended: number } = { orElse: 'fail', ended: 0, start: done => { tell = done }, end () { this.ended++ } }
  const loading = decode.submit({ prompt: prompt(100), maxTokens: 1, load: waitingLoad })
  const second = from(() => undefined)
  const queued = decode.submit({ prompt: prompt(100, 1), maxTokens: 1, load: second })
  run(100)
  t.match(decode.stats(), { waiting: 2, kvUsage: 7 / 8 })
  queued.abort()
  t.equal(second.ended, 1)
  loading.abort()
  t.equal(waitingLoad.ended, 1)
  tell(true)
  run(100)
  t.match(decode.stats(), { waiting: 0, aborted: 2, kvUsage: 0, loadHits: 0 })
})

t.test('any mix of legs on two small engines ends, keeps nothing for ever and gives each answer its tokens', async t => {
  const request = fc.record({
    at: fc.integer({ min: 0, max: 300 }),
    family: fc.integer({ min: 0, max: 2 }),
    tokens: fc.integer({ min: 1, max: 40 }),
    maxTokens: fc.integer({ min: 1, max: 12 }),
    found: fc.boolean(),
    orElse: fc.constantFrom('fail' as const, 'recompute' as const),
    decoded: fc.boolean(),
    abortAfter: fc.option(fc.integer({ min: 0, max: 200 }), { nil: undefined })
  })
  t.doesNotThrow(() => fc.assert(fc.property(fc.array(request, { maxLength: 30 }), fc.integer({ min: 14, max: 24 }), (requests, kvBlocks) => {
    const options = { blockSize: 4, kvBlocks, maxNumSeqs: 4, maxNumBatchedTokens: 16, prefillRate: 1000, kvHoldTimeoutMs: 500, kvTransferMsPerToken: 1 }
    const { clock, prefill, decode } = pair(options)
    let open = 0
    let ends = 0
    let loads = 0
    const answers: Array<{ wanted: number, got: number, reason: string }> = []
    for (const { at, family, tokens, maxTokens, found, orElse, decoded, abortAfter } of requests) {
      clock.after(at, () => {
        open++
        const kept: EngineHandle = prefill.submit({
          prompt: prompt(tokens, family),
          maxTokens: 1,
          keepBlocks: true,
          onFinished () {
            open--
            if (!decoded) return
            open++
            loads++
            const answer = { wanted: maxTokens, got: 0, reason: '' }
            const load: Load = {
              orElse,
              start: done => { clock.after(3, () => done(found && kept.hold?.state === 'held')) },
              end () {
                ends++
                kept.hold?.release()
              }
            }
            const handle = decode.submit({
              prompt: prompt(tokens, family),
              maxTokens,
              load,
              onToken: () => { answer.got++ },
              onFinished (reason) {
                open--
                answer.reason = reason
                answers.push(answer)
              }
            })
            if (abortAfter !== undefined) clock.after(abortAfter, () => handle.abort())
          }
        })
      })
    }
    clock.run()
    const complete = answers.every(({ wanted, got, reason }) => reason === 'abort' ? got <= wanted : got === (reason === 'error' ? 0 : wanted))
    const empty = [prefill, decode].every(engine => engine.load === 0 && engine.stats().kvUsage === 0 && engine.stats().heldBlocks === 0 && engine.reset())
    return open === 0 && ends === loads && complete && empty
  }), { numRuns: 300, seed: 11 }))
})

t.test('whatever comes in, and however short of blocks the engine is: everybody ends', async () => {
  const request = fc.record({ tokens: fc.integer({ min: 1, max: 200 }), output: fc.integer({ min: 1, max: 60 }), loads: fc.boolean(), after: fc.nat(60) })
  fc.assert(fc.property(fc.array(request, { minLength: 1, maxLength: 12 }), requests => {
    // 320 tokens: one always fits, two need not
    const { clock, decode } = pair({ kvBlocks: 20, prefillRate: 5000, maxNumBatchedTokens: 64, kvTransferMsPerToken: 0.1 })
    let ended = 0
    for (const [family, { tokens, output, loads, after }] of requests.entries()) {
      clock.run(clock.now() + after)
      const load = { orElse: 'fail', start: (done: (found: boolean) => void) => done(true), end: () => {} } as const
      decode.submit({ prompt: prompt(tokens, family), maxTokens: output, ...(loads ? { load } : {}), onFinished: () => { ended++ } })
    }
    clock.run()
    return ended === requests.length && decode.stats().kvUsage === 0
  }), { numRuns: 500 })
})
