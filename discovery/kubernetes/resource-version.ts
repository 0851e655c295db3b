// Resource versions, by which the API server says what is newer than what.

/**
 * Negative when `a` is older than `b`, positive when it is newer. NaN when one of them is no whole number: then nothing can be said.
 * The API servers of Kubernetes only have numbers, and promise that they can be compared.
 */
export function compareVersions (a: string, b: string): number {
  if (!/^[0-9]+$/.test(a) || !/^[0-9]+$/.test(b)) return NaN
  if (a.length !== b.length) return a.length - b.length
  return a < b ? -1 : a > b ? 1 : 0
}
