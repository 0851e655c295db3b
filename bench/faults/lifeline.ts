// Loaded into a router before its own code: ends the process with the one that started it, and tells its memory when asked.

/** Milliseconds V8 gets to give freed pages back, which it does in other threads: until then the system counts garbage as memory. */
const settleMs = 300

process.on('disconnect', () => process.exit(1))
process.on('message', message => {
  if (message !== 'memory' && message !== 'collected') return
  if (message === 'collected') {
    globalThis.gc?.()
    globalThis.gc?.()
    setTimeout(tell, settleMs)
  } else tell()
})

function tell (): void {
  const { rss, heapUsed, external } = process.memoryUsage()
  process.send?.({ memory: { rss, heapUsed, external } })
}

// the router ends when its own work is over, whoever still listens to it
process.channel?.unref()
