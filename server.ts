#!/usr/bin/env node
// The binary: reads the options and does what they ask for.
import { OptionFileError } from './core/option-file.ts'
import { OptionsError } from './options.ts'
import { loadOptions } from './options/load.ts'
import { version } from './router.ts'
import { startError } from './server/start-error.ts'

async function main (argv: readonly string[]): Promise<void> {
  const loaded = await loadOptions(argv, process.env, process.cwd())
  switch (loaded.command) {
    case 'help':
      process.stdout.write(loaded.text)
      return
    case 'version':
      process.stdout.write(`fastify-vllm-router ${version}\n`)
      return
    case 'simulator': {
      const [{ Command }, { addSimulatorCommand }] = await Promise.all([import('commander'), import('./simulator/cli.ts')])
      const program = new Command('vllm-router')
      addSimulatorCommand(program)
      await program.parseAsync(['simulator', ...loaded.argv], { from: 'user' })
      return
    }
    case 'hash-key': {
      const { hashKeyCommand } = await import('./server/hash-key.ts')
      await hashKeyCommand(loaded.argv)
      return
    }
    case 'serve': {
      const { serve } = await import('./server/serve.ts')
      await serve(loaded, () => loadOptions(argv, process.env, process.cwd()))
    }
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`vllm-router: ${startError(error)}\n`)
  process.exit(error instanceof OptionsError || error instanceof OptionFileError ? 2 : 1)
})
