// What options must mean together: contradictions are errors, doubtful combinations warnings.
import { parseHostPort } from '../core/host-port.ts'
import type { RouterOptions } from '../options.ts'
import { OptionsError } from './coerce.ts'

const anyAddress = ['0.0.0.0', '::']
/** The default of admin-host. */
const adminAddress = '127.0.0.1'

/**
 * Throws an OptionsError for a contradiction.
 *
 * @param say an option's name as the person who set it knows it
 * @returns warnings
 */
export function checkTogether (options: RouterOptions, say: (key: keyof RouterOptions) => string): string[] {
  const warnings: string[] = []
  const unset = (key: keyof RouterOptions): string => say(key).replace(' (default)', '')
  if (options.port !== 0 && options.port === options.prometheusPort && overlap(options.host, options.prometheusHost)) {
    throw new OptionsError(`${say('prometheusPort')} takes another port than ${say('port')} on the same host, ` +
      `not ${options.prometheusPort} for both`)
  }
  checkListeners(options, say)
  checkAnnouncements(options, say)
  checkFiles(options, say)
  if (options.processes > options.maxConcurrentRequests) {
    throw new OptionsError(`${say('processes')} is ${options.processes}, and each needs a share of ${say('maxConcurrentRequests')}, which is ${options.maxConcurrentRequests}`)
  }
  if (options.policy === 'power_of_two' && options.workerUrls.length * options.intraNodeDataParallelSize === 1) {
    warnings.push(`${say('policy')} is power_of_two, which compares two workers, but ${say('workerUrls')} gives only one: ` +
      'it gets every request until another is added')
  }
  if (options.jwtIssuer === undefined) {
    const needing = (['jwksUrl', 'jwtAudience', 'jwtModelsClaim'] as const).find(key => options[key] !== undefined && options[key].length > 0)
    if (needing !== undefined) throw new OptionsError(`${say(needing)} is about JWTs, which are accepted only with ${unset('jwtIssuer')}`)
  } else {
    if (options.jwksUrl === undefined && !(/^https?:\/\//i.test(options.jwtIssuer) && URL.canParse(options.jwtIssuer))) {
      throw new OptionsError(`${say('jwtIssuer')} must be an http:// or https:// URL, where its keys can be asked for, or ${unset('jwksUrl')} must be given`)
    }
    if (options.jwtAudience.length === 0) {
      warnings.push(`${unset('jwtAudience')} is not given: a token that the issuer made for any other service is accepted as well`)
    }
  }
  return [...warnings, ...checkPools(options, say), ...checkKubernetes(options, say)]
}

function checkPools (options: RouterOptions, say: (key: keyof RouterOptions) => string): string[] {
  const { vllmPdDisaggregation, prefill, decode, workerUrls, kvConnector } = options
  const listed = (['prefill', 'decode'] as const).filter(key => options[key].length > 0)
  if (!vllmPdDisaggregation) return prefill.length + decode.length > 0 ? [`${listed.map(say).join(', ')} without effect: ${say('vllmPdDisaggregation')} is off`] : []
  const warnings: string[] = []
  if (workerUrls.length > 0) warnings.push(`${say('workerUrls')} without effect with ${say('vllmPdDisaggregation')}: give the workers by prefill and decode`)
  if (kvConnector === 'moriio') warnings.push(`${say('kvConnector')} is moriio: it has never been tried on its hardware`)
  return warnings
}

/** The name of an option that was not given. */
function missing (key: keyof RouterOptions, say: (key: keyof RouterOptions) => string): string {
  return say(key).replace(/ \(default\)$/, '')
}

function checkListeners (options: RouterOptions, say: (key: keyof RouterOptions) => string): void {
  const { adminPort, adminHost } = options
  if (adminPort === undefined) {
    if (adminHost !== adminAddress) throw new OptionsError(`${say('adminHost')} is of use together with ${missing('adminPort', say)} only`)
    return
  }
  for (const [host, port] of [['host', 'port'], ['prometheusHost', 'prometheusPort']] as const) {
    if (adminPort === 0 || adminPort !== options[port] || !overlap(adminHost, options[host])) continue
    throw new OptionsError(`${say('adminPort')} takes another port than ${say(port)} on the same host, not ${adminPort} for both`)
  }
}

function checkAnnouncements (options: RouterOptions, say: (key: keyof RouterOptions) => string): void {
  const address = options.vllmDiscoveryAddress === undefined ? undefined : parseHostPort(options.vllmDiscoveryAddress)
  if (address === undefined || address.port === 0) return
  for (const [host, port] of [['host', 'port'], ['prometheusHost', 'prometheusPort'], ['adminHost', 'adminPort']] as const) {
    if (address.port !== options[port] || !overlap(address.host, options[host])) continue
    throw new OptionsError(`${say('vllmDiscoveryAddress')} takes another port than ${say(port)} on the same host, not ${address.port} for both`)
  }
}

function checkFiles (options: RouterOptions, say: (key: keyof RouterOptions) => string): void {
  if (options.apiKey !== undefined && options.apiKeyFile !== undefined) {
    throw new OptionsError(`${say('apiKeyFile')} takes the place of ${say('apiKey')}: give one of them`)
  }
  for (const [one, other] of [['tlsCert', 'tlsKey'], ['workerClientCert', 'workerClientKey']] as const) {
    const [given, absent] = options[one] === undefined ? [other, one] : [one, other]
    if (options[given] !== undefined && options[absent] === undefined) throw new OptionsError(`${say(given)} is of use together with ${missing(absent, say)} only`)
  }
  if (options.tlsClientCa !== undefined && options.tlsCert === undefined) throw new OptionsError(`${say('tlsClientCa')} is of use together with ${missing('tlsCert', say)} only`)
}

function checkKubernetes (options: RouterOptions, say: (key: keyof RouterOptions) => string): string[] {
  const { serviceDiscovery, serviceDiscoveryMode: mode, selector, prefillSelector, decodeSelector, serviceName } = options
  const selectors = (['selector', 'prefillSelector', 'decodeSelector'] as const).filter(key => options[key].length > 0)
  const names = (keys: ReadonlyArray<keyof RouterOptions>): string => keys.map(say).join(', ')
  /** An option to be given, which therefore is not. */
  const other = (key: keyof RouterOptions): string => say(key).replace(/ \(default\)$/, '')
  if (!serviceDiscovery) {
    const idle = [...selectors, ...(serviceName.length > 0 ? ['serviceName' as const] : [])]
    return idle.length > 0 ? [`${names(idle)} without effect: ${say('serviceDiscovery')} is off`] : []
  }
  if (mode === 'pods' && selectors.length === 0) {
    throw new OptionsError(`${say('serviceDiscovery')} needs the labels of workers: give ${other('selector')}, or ${other('prefillSelector')} and ${other('decodeSelector')}`)
  }
  if (mode !== 'pods' && serviceName.length === 0) throw new OptionsError(`${say('serviceDiscoveryMode')} ${mode} needs ${other('serviceName')}`)
  const warnings: string[] = []
  if (mode === 'pods' && serviceName.length > 0) warnings.push(`${say('serviceName')} without effect: ${say('serviceDiscoveryMode')} is pods`)
  if (mode === 'endpointslices' && serviceName.some(name => name.includes('.'))) warnings.push(`${say('serviceName')}: a Service's name has no dot; whole DNS names are for service-dns`)
  if (mode === 'service-dns' && selectors.length > 0) warnings.push(`${names(selectors)} without effect: ${say('serviceDiscoveryMode')} is service-dns, which knows no labels`)
  else if ((prefillSelector.length > 0) !== (decodeSelector.length > 0)) warnings.push(`${names(selectors)}: prefill and decode workers are of use together only`)
  else if (selector.length === 0 && sameLabels(prefillSelector, decodeSelector)) warnings.push(`${names(selectors)} are the same labels: every worker is a prefill worker`)
  return warnings
}

function sameLabels (one: readonly string[], other: readonly string[]): boolean {
  return one.length > 0 && one.length === other.length && one.every(label => other.includes(label))
}

function overlap (host: string, other: string): boolean {
  return host === other || anyAddress.includes(host) || anyAddress.includes(other) || (isLoopback(host) && isLoopback(other))
}

function isLoopback (host: string): boolean {
  return host === 'localhost' || host === '127.0.0.1'
}
