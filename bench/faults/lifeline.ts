// Loaded into a router before its own code: ends the process with the one that started it, and tells its memory when asked.

process.on('disconnect', () => process.exit(1))
process.on('message', message => {
  if (message !== 'memory' && message !== 'collected') return
  if (message === 'collected') {
    globalThis.gc?.()
    globalThis.gc?.()
  }
  const { rss, heapUsed, external } = process.memoryUsage()
  process.send?.({ memory: { rss, heapUsed, external } })
})
// the router ends when its own work is over, whoever still listens to it
process.channel?.unref()
