// `npm run bench:micro`: times each hot piece, and fails when one takes three times its budget.
import { allPieces } from './all.ts'
import { slowestOfHundred } from './long-prompt.ts'
import { microseconds, thorough } from './piece.ts'

const factor = 3
let over = 0
for (const piece of allPieces()) {
  const measured = microseconds(piece, thorough)
  const within = measured <= piece.budgetUs * factor
  if (!within) over++
  process.stdout.write(`${within ? 'ok  ' : 'OVER'}  ${piece.name.padEnd(42)} ${measured.toFixed(3).padStart(9)} µs  budget ${piece.budgetUs} µs\n`)
}
for (const { name, p50, p99 } of slowestOfHundred()) {
  process.stdout.write(`      one choice, ${name}, 100,000 tokens, 1,000 workers: p50 ${p50.toFixed(1)} µs, p99 ${p99.toFixed(1)} µs of time\n`)
}
process.stdout.write(`${over} took more than ${factor} × their budget\n`)
if (over > 0) process.exitCode = 1
