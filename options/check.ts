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
  const { vllmPdDisaggregation, prefill, decode, workerUrls, kvConnector } = options
  if (vllmPdDisaggregation) {
    if (workerUrls.length > 0) warnings.push(`${say('workerUrls')} is without effect with ${say('vllmPdDisaggregation')}: give the workers by prefill and decode`)
    if (kvConnector === 'moriio') warnings.push(`${say('kvConnector')} is moriio: it has never been tried on its hardware`)
  } else if (prefill.length + decode.length > 0) {
    warnings.push(`${say(prefill.length > 0 ? 'prefill' : 'decode')} is without effect unless vllm-pd-disaggregation is on`)
  }
  return warnings
}

function overlap (host: string, other: string): boolean {
  return host === other || anyAddress.includes(host) || anyAddress.includes(other) || (isLoopback(host) && isLoopback(other))
}

function isLoopback (host: string): boolean {
  return host === 'localhost' || host === '127.0.0.1'
}
