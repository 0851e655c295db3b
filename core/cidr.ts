// Networks as people write them: single IP addresses, and CIDR such as 10.0.0.0/8.
import { BlockList, isIP } from 'node:net'

interface Network {
  readonly address: string
  readonly family: 'ipv4' | 'ipv6'
  readonly prefix: number
}

function parse (text: string): Network | undefined {
  const [, address = '', bits] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const version = isIP(address)
  if (version === 0) return undefined
  const most = version === 4 ? 32 : 128
  const prefix = bits === undefined ? most : Number(bits)
  return prefix > most ? undefined : { address, family: version === 4 ? 'ipv4' : 'ipv6', prefix }
}

/** True for an IP address or a network in CIDR form. */
export function isNetwork (text: string): boolean {
  return parse(text) !== undefined
}

/**
 * The addresses of some networks, to ask `check(address, family)` of.
 * @throws RangeError for what is no network
 */
export function networkList (networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const text of networks) {
    const network = parse(text)
    if (network === undefined) throw new RangeError(`not an IP address or a network: ${text}`)
    list.addSubnet(network.address, network.prefix, network.family)
  }
  return list
}
