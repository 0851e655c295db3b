// What options must mean together: contradictions are errors, doubtful combinations warnings.
import type { RouterOptions } from '../options.ts'
import { OptionsError } from './coerce.ts'

const anyAddress = ['0.0.0.0', '::']

/**
 * Throws an OptionsError for a contradiction.
 *
 * @param say an option's name as the person who set it knows it
 * @returns warnings
 */
export function checkTogether (options: RouterOptions, say: (key: keyof RouterOptions) => string): string[] {
  const warnings: string[] = []
  if (options.port !== 0 && options.port === options.prometheusPort && overlap(options.host, options.prometheusHost)) {
    throw new OptionsError(`${say('prometheusPort')} takes another port than ${say('port')} on the same host, ` +
      `not ${options.prometheusPort} for both`)
  }
  if (options.policy === 'power_of_two' && options.workerUrls.length * options.intraNodeDataParallelSize === 1) {
    warnings.push(`${say('policy')} is power_of_two, which compares two workers, but ${say('workerUrls')} gives only one: ` +
      'it gets every request until another is added')
  }
  return [...warnings, ...checkKubernetes(options, say)]
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
