// One end of what connects two processes: messages in order, and questions that are answered.
import type { AnswerMessage, Question, QuestionMessage, Questions } from './messages.ts'

/** What answers questions; one that is not there is an error for who asks. */
export type Answers = { readonly [Name in Question]?: (ask: Questions[Name]['ask']) => Promise<Questions[Name]['answer']> | Questions[Name]['answer'] }

/** Hands a message to the other process; `sent` is called once it is on its way, or lost with the other process. */
export type Post<Message> = (message: Message, sent?: () => void) => void

interface Pending {
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

/** One end. */
export class Channel<Message> {
  readonly post: Post<Message | QuestionMessage | AnswerMessage>
  /** What answers the other process. */
  answers: Answers
  private readonly pending = new Map<number, Pending>()
  private serial = 0

  constructor (post: Post<Message | QuestionMessage | AnswerMessage>, answers: Answers) {
    this.post = post
    this.answers = answers
  }

  /** Rejects after `limitMs`, and when the other process is gone. */
  ask<Name extends Question> (name: Name, ask: Questions[Name]['ask'], limitMs: number): Promise<Questions[Name]['answer']> {
    return new Promise((resolve, reject) => {
      const serial = ++this.serial
      const timer = setTimeout(() => {
        this.pending.delete(serial)
        reject(new Error(`a process of the router did not answer in ${limitMs} ms`))
      }, limitMs)
      this.pending.set(serial, { resolve: resolve as (answer: unknown) => void, reject, timer })
      this.post({ type: 'question', serial, name, ask })
    })
  }

  /** A question or an answer came. */
  take (message: QuestionMessage | AnswerMessage): void {
    if (message.type === 'question') {
      void this.answer(message)
      return
    }
    const pending = this.pending.get(message.serial)
    if (pending === undefined) return
    this.pending.delete(message.serial)
    clearTimeout(pending.timer)
    if (message.error === undefined) pending.resolve(message.answer)
    else pending.reject(new Error(message.error))
  }

  /** The other process is gone. */
  close (): void {
    for (const { reject, timer } of this.pending.values()) {
      clearTimeout(timer)
      reject(new Error('a process of the router is gone'))
    }
    this.pending.clear()
  }

  private async answer ({ serial, name, ask }: QuestionMessage): Promise<void> {
    try {
      const answer = this.answers[name] as ((ask: unknown) => unknown) | undefined
      if (answer === undefined) throw new Error(`nobody answers ${name} here`)
      this.post({ type: 'answer', serial, answer: await answer(ask) })
    } catch (error) {
      this.post({ type: 'answer', serial, error: error instanceof Error ? error.message : String(error) })
    }
  }
}
