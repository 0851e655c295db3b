// Reads `HOST:PORT`, where an IPv6 address may stand with or without brackets.
import { isIP } from 'node:net'

/** An address taken apart. */
export interface HostPort {
  /** IP address without brackets, or a host name. */
  readonly host: string
  readonly port: number
  /** Version of the IP address; 0 for a host name. */
  readonly family: 0 | 4 | 6
}

/** Longest text looked at: the longest host name and a port. */
const longest = 260

/** Takes `HOST:PORT` apart; undefined where it is none. Port 0 is let pass. */
export function parseHostPort (text: string): HostPort | undefined {
  if (text.length > longest) return undefined
  const [, written = '', digits = ''] = /^(.+):(\d{1,5})$/s.exec(text) ?? []
  const bracketed = /^\[(.+)\]$/s.exec(written)?.[1]
  const host = bracketed ?? written
  const port = Number(digits)
  const family = host.includes('%') ? 0 : isIP(host)
  if (digits === '' || port > 65535) return undefined
  if (family === 4 ? bracketed !== undefined : family === 0 && (bracketed !== undefined || !isHostName(host))) return undefined
  return { host, port, family: family === 4 || family === 6 ? family : 0 }
}

/**
 * A name that means the same to every parser: not one that some take for a number, such as 0x7f.1. Two underscores never stand in a
 * row: ids of disaggregated requests are put together with them.
 */
function isHostName (text: string): boolean {
  if (!/^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/i.test(text) || /__|\.\./.test(text)) return false
  const url = `http://${text}`
  return URL.canParse(url) && new URL(url).hostname === text.toLowerCase() && !/(^|\.)\d+$/.test(text)
}

/** The address as it stands in a URL. */
export function formatHostPort ({ host, port, family }: HostPort): string {
  return `${family === 6 ? `[${host}]` : host}:${port}`
}
