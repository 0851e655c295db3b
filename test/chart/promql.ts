// Takes from a PromQL expression what it names: metrics, and the labels it expects of them. It knows the language as far as the chart uses it.

/** A metric, and the labels that the expression expects it to have. */
export interface Use {
  readonly metric: string
  readonly labels: readonly string[]
}

const matchWords = new Set(['on', 'ignoring', 'group_left', 'group_right'])
const aggregateWords = new Set(['by', 'without'])
const otherWords = new Set(['bool', 'and', 'or', 'unless', 'offset', 'inf', 'nan'])
const name = /^[a-zA-Z_:][\w:]*$/

/** Every metric, with the labels of its own braces, those that aggregations around it group by, and those that the expression matches on. */
export function usesOf (expression: string): Use[] {
  const tokens = expression.match(/"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[a-zA-Z_:][\w:]*|\d[\w.]*|\S/g) ?? []
  const uses: Array<{ metric: string, labels: string[] }> = []
  /** Labels for each parenthesis that is open. */
  const scopes: string[][] = []
  const matched: string[] = []
  let grouped: string[] = []
  let at = 0
  /** Names up to a closing token; `at` is left on it. */
  const namesUntil = (end: string): string[] => {
    const from = at
    while (at < tokens.length && tokens[at] !== end) at++
    return tokens.slice(from, at).filter(token => name.test(token))
  }
  for (; at < tokens.length; at++) {
    const token = tokens[at] ?? ''
    const next = tokens[at + 1] ?? ''
    if (token === '(') {
      scopes.push(grouped)
      grouped = []
    } else if (token === ')') scopes.pop()
    else if ((matchWords.has(token) || aggregateWords.has(token)) && next === '(') {
      at += 2
      const labels = namesUntil(')')
      if (token === 'by') grouped = labels
      else if (token === 'on') matched.push(...labels)
    } else if (name.test(token) && !otherWords.has(token) && !matchWords.has(token) && next !== '(' && !aggregateWords.has(next)) {
      const use = { metric: token, labels: scopes.flat() }
      uses.push(use)
      if (next !== '{') continue
      at += 2
      use.labels.push(...namesUntil('}'))
    }
  }
  return uses.map(({ metric, labels }) => ({ metric, labels: [...labels, ...matched] }))
}
