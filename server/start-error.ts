// Why the server could not start, in one line for the person who started it.
import { routerSpecs } from '../options.ts'
import { camelCase, flagName } from '../options/spec.ts'

const flags: ReadonlyMap<string, string> = new Map(routerSpecs.map(({ name }) => [camelCase(name), flagName(name)]))

/** A message that names options as code does, with their names as flags. */
export function inFlags (message: string): string {
  return message.replaceAll(/\b[a-z]+(?:[A-Z][a-z0-9]*)+\b/g, word => flags.get(word) ?? word)
}

const meanings: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use by another process',
  EACCES: 'may not be listened on without more rights',
  EADDRNOTAVAIL: 'is no address of this machine'
}

/** The message of a start that failed; for an address that cannot be listened on, what is wrong with it and which options choose it. */
export function startError (error: unknown): string {
  const message = inFlags((error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, ' '))
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return message
  if (error.syscall === 'getaddrinfo') return `the host name ${'hostname' in error ? String(error.hostname) : ''} is not known (${String(error.code)})`
  const meaning = meanings[String(error.code)]
  // several processes ask for an address by `bind`
  if ((error.syscall !== 'listen' && error.syscall !== 'bind') || meaning === undefined || !('address' in error)) return message
  return `${String(error.address)}${'port' in error ? ` port ${String(error.port)}` : ''} ${meaning}; --host and --port, --prometheus-host and --prometheus-port choose`
}
