// Children that die are replaced, at once and then ever later, until it is enough; those that hang are ended.
import t from 'tap'
import { ManualClock } from '../../helpers/manual-clock.ts'
import type { AnswerMessage, QuestionMessage, ToChild, ToPrimary } from '../../../server/processes/messages.ts'
import { Supervisor } from '../../../server/processes/supervisor.ts'
import type { ProcessHandle } from '../../../server/processes/supervisor.ts'

/** A process that does as it is told, or not. */
class FakeProcess implements ProcessHandle {
  alive = true
  hangs = false
  ended: string | undefined
  readonly heard: string[] = []
  private tell: (message: ToPrimary) => void = () => {}
  private exited: (code: number | null, signal: NodeJS.Signals | null) => void = () => {}

  send (message: ToChild | QuestionMessage | AnswerMessage, sent: () => void): void {
    sent()
    if (this.hangs) return
    this.heard.push(message.type)
    if (message.type === 'question') this.tell({ type: 'answer', serial: message.serial })
    else if (message.type === 'end') this.exit(0)
  }

  kill (signal: NodeJS.Signals): void {
    this.ended = signal
    this.exit(null, signal)
  }

  follow (...[message, exit]: Parameters<ProcessHandle['follow']>): void {
    this.tell = message
    this.exited = exit
  }

  serve (): void {
    this.tell({ type: 'listening', address: 'http://a', admin: undefined })
  }

  say (message: ToPrimary): void {
    this.tell(message)
  }

  exit (code: number | null, signal: NodeJS.Signals | null = null): void {
    if (!this.alive) return
    this.alive = false
    this.exited(code, signal)
  }
}

interface Setup {
  readonly clock: ManualClock
  readonly supervisor: Supervisor
  readonly made: FakeProcess[]
  readonly failures: Array<{ code: number, message: string }>
  last (): FakeProcess
}

async function started (processes: number): Promise<Setup> {
  const clock = new ManualClock()
  const made: FakeProcess[] = []
  const supervisor = new Supervisor(processes, clock, () => {
    const fake = new FakeProcess()
    made.push(fake)
    return fake
  }, () => ({}))
  const failures: Setup['failures'] = []
  const start = supervisor.start()
  await clock.advance(1)
  for (const one of made) one.serve()
  await start
  supervisor.on('failed', failure => failures.push(failure))
  return { clock, supervisor, made, failures, last: () => made.at(-1) ?? new FakeProcess() }
}

t.test('one that dies is replaced at once, and again ever later, until it is enough', async t => {
  const { clock, supervisor, made, failures, last } = await started(2)
  const waits: number[] = []
  for (let deaths = 1; deaths <= 5; deaths++) {
    const before = made.length
    const at = clock.now()
    last().exit(7)
    while (made.length === before) await clock.advance(10)
    waits.push(clock.now() - at)
    last().serve()
    await clock.advance(1000)
  }
  t.same(waits, [0, 100, 200, 400, 800])
  t.equal(supervisor.serving, 2)
  t.same(failures, [])
  last().exit(7)
  t.same(failures, [{ code: 7, message: 'a process of the router ended with 7' }])
  t.equal(made.filter(({ alive }) => alive).length, 1, 'the other goes on until it is told to end')
})

t.test('one that served for long begins anew', async t => {
  const { clock, made, failures, last } = await started(1)
  for (let deaths = 1; deaths <= 10; deaths++) {
    const before = made.length
    await clock.advance(60_000)
    last().exit(null, 'SIGSEGV')
    t.equal(made.length, before + 1, 'at once')
    last().serve()
  }
  t.same(failures, [])
})

t.test('a successor does not wait for the last requests of one that ends by itself', async t => {
  const { supervisor, made } = await started(1)
  made[0]?.say({ type: 'leaving' })
  t.equal(made.length, 2)
  t.equal(supervisor.children.length, 2)
  made[1]?.serve()
  made[0]?.exit(1)
  t.equal(made.length, 2)
  t.equal(supervisor.serving, 1)
})

t.test('one that hangs is ended', async t => {
  const { clock, made } = await started(1)
  await clock.advance(300_000)
  t.equal(made[0]?.alive, true)
  if (made[0] !== undefined) made[0].hangs = true
  await clock.advance(25_000)
  t.equal(made[0]?.alive, true)
  await clock.advance(15_000)
  t.equal(made[0]?.ended, 'SIGKILL')
  t.equal(made.length, 2)
})

t.test('a start that fails', async t => {
  const clock = new ManualClock()
  const made: FakeProcess[] = []
  const supervisor = new Supervisor(2, clock, () => {
    const fake = new FakeProcess()
    made.push(fake)
    return fake
  }, () => ({}))
  const start = supervisor.start()
  made[0]?.say({ type: 'failed', message: 'no such file', code: 2 })
  made[0]?.exit(2)
  await t.rejects(start, { message: 'no such file', code: 2 })
  supervisor.kill()
  t.equal(made[1]?.ended, 'SIGKILL')
  t.equal(made.length, 2)
})

t.test('the end: told to all, and forced upon who does not hear', async t => {
  const { clock, supervisor, made } = await started(3)
  if (made[1] !== undefined) made[1].hangs = true
  let over = false
  const end = supervisor.end({ type: 'end', delayMs: 1000, timeoutMs: 2000 }).then(() => { over = true })
  await clock.advance(3000)
  t.same(made.map(({ alive }) => alive), [false, true, false])
  t.equal(over, false)
  await clock.advance(5000)
  await end
  t.equal(made[1]?.ended, 'SIGKILL')
  t.equal(made.length, 3, 'nobody is replaced')
})
