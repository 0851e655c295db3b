// GETs something small from a service that is asked about callers, within a time and a size.
import { request } from 'undici'
import type { Dispatcher } from 'undici'

/** What came. */
export interface Got {
  readonly status: number
  /** Undefined when it is longer than the limit. */
  readonly body: Buffer | undefined
}

/** What is asked for, and its bounds. */
export interface GetOptions {
  readonly dispatcher: Dispatcher
  readonly headers?: Record<string, string>
  /** For the whole call, the connection included. */
  readonly timeoutMs: number
  /** Longest body, in bytes. */
  readonly limit: number
}

/** GETs `url` without following redirects. Rejects when there is no whole answer in time. */
export async function get (url: string, options: GetOptions): Promise<Got> {
  const controller = new AbortController()
  let timer: NodeJS.Timeout | undefined
  // undici cannot take back a call that waits for its connection: the time counts here, whatever undici does
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const error = new Error('no answer in time')
      controller.abort(error)
      reject(error)
    }, options.timeoutMs)
    timer.unref()
  })
  try {
    return await Promise.race([read(url, options, controller.signal), late])
  } finally {
    clearTimeout(timer)
  }
}

async function read (url: string, { dispatcher, headers = {}, limit }: GetOptions, signal: AbortSignal): Promise<Got> {
  const { statusCode: status, body } = await request(url, { dispatcher, headers, signal })
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > limit) return { status, body: undefined }
    chunks.push(chunk)
  }
  return { status, body: Buffer.concat(chunks) }
}
