// One listener for the end of a reply, however many want to hear of it: what a listener of their own would cost each adds up.
import type { ServerResponse } from 'node:http'

type Told = (reply: ServerResponse) => void

const kTold: unique symbol = Symbol('vllm-router.reply-end')

/** A reply and those who wait for its end. */
type Watched = ServerResponse & { [kTold]?: Told[] | undefined }

function closed (this: Watched): void {
  const told = this[kTold]
  if (told === undefined) return
  this[kTold] = undefined
  for (let run = told.pop(); run !== undefined; run = told.pop()) run(this)
}

/**
 * Calls `run` once, at the reply's `close`: the one signal that comes however a request ends. Who asked last is called first, as with
 * scopes that end: who forwards a request has settled its call when those who count requests and places hear of the end.
 */
export function whenClosed (reply: ServerResponse, run: Told): void {
  const watched: Watched = reply
  const told = watched[kTold]
  if (told !== undefined) {
    told.push(run)
    return
  }
  watched[kTold] = [run]
  watched.on('close', closed)
}
