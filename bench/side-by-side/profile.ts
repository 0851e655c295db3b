// Reads Node's CPU profiles: where the time went, by function.
import { readFileSync } from 'node:fs'

interface Profile {
  readonly nodes: readonly { readonly id: number, readonly callFrame: { readonly functionName: string, readonly url: string, readonly lineNumber: number } }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** A function, or a package, and the share of the time that its own code took while something ran. */
export interface SelfTime {
  readonly name: string
  readonly share: number
}

/** Words of a profile for what is no function. */
const notRunning = new Set(['(idle)', '(root)'])

/** The inspector's own way in, through which a profile is begun and ended. */
function isProfiler ({ functionName, url }: { readonly functionName: string, readonly url: string }): boolean {
  return functionName === 'dispatch' && url === ''
}

/** File and line, from the package or the folder of the router on. */
function place (url: string, line: number): string {
  if (url === '') return 'native'
  return `${url.replace(/^.*\/node_modules\//, '').replace(/^.*\/(build|dist)\//, '')}:${line + 1}`
}

/** Whose code a function is: a package, a folder of the router, or Node. */
function owner (name: string, url: string): string {
  if (url === '') return name.startsWith('(') ? name : 'native functions'
  if (url.startsWith('node:')) return 'node'
  const found = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*\/node_modules\/)/.exec(url)?.[1]
  return found ?? `router: ${/\/(?:build|dist)\/(\w+)\//.exec(url)?.[1] ?? 'router'}`
}

/** What took most, first of all by function and then by owner; garbage collection and code of Node itself are among them. */
export function selfTimes (file: string, most = 25): { functions: SelfTime[], owners: SelfTime[] } {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8')) as Profile
  const byId = new Map(nodes.map(node => [node.id, node.callFrame]))
  const functions = new Map<string, number>()
  const owners = new Map<string, number>()
  let total = 0
  for (const [at, id] of samples.entries()) {
    const frame = byId.get(id)
    if (frame === undefined || notRunning.has(frame.functionName) || isProfiler(frame)) continue
    const time = timeDeltas[at] ?? 0
    const name = frame.functionName === '' ? '(anonymous)' : frame.functionName
    const line = `${name}  ${place(frame.url, frame.lineNumber)}`
    const whose = owner(name, frame.url)
    total += time
    functions.set(line, (functions.get(line) ?? 0) + time)
    owners.set(whose, (owners.get(whose) ?? 0) + time)
  }
  const sorted = (times: ReadonlyMap<string, number>): SelfTime[] =>
    [...times].sort((a, b) => b[1] - a[1]).slice(0, most).map(([name, time]) => ({ name, share: time / total }))
  return { functions: sorted(functions), owners: sorted(owners) }
}

/** For people. */
export function profileLines (file: string, most = 25): string {
  const { functions, owners } = selfTimes(file, most)
  const lines = (times: readonly SelfTime[]): string => times.map(({ name, share }) => `  ${(share * 100).toFixed(1).padStart(5)} %  ${name}\n`).join('')
  return `${lines(owners.slice(0, 15))}\n${lines(functions)}`
}
