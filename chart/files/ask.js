// `helm test`: the Service leads to a router, and the router has a worker.
const end = Date.now() + (process.env.PATIENCE_SECS ?? 60) * 1000
let last = 'nothing'
while (Date.now() < end) {
  try {
    const answer = await fetch(process.env.URL + '/readiness', { signal: AbortSignal.timeout(5000) })
    last = `${answer.status} ${await answer.text()}`
    if (answer.ok) {
      console.log(last)
      process.exit(0)
    }
  } catch (error) {
    last = `${error.message} ${error.cause?.message ?? ''}`
  }
  await new Promise(resolve => setTimeout(resolve, 500))
}
console.error(`${process.env.URL}/readiness: ${last}`)
process.exit(1)
