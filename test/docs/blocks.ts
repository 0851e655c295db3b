// The fenced code blocks of the documents, and the examples as a project outside this repository would write them.
import { readFileSync, readdirSync } from 'node:fs'

/** A code block: where it stands, the words behind its fence, its text. */
export interface Block {
  readonly page: string
  readonly info: string
  readonly text: string
}

/** All pages a user reads. */
export const pages: readonly string[] = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'chart/README.md', ...readdirSync('docs').filter(name => name.endsWith('.md')).map(name => `docs/${name}`)]

/** Every block of every page. */
export function blocks (): Block[] {
  return pages.flatMap(page => [...readFileSync(page, 'utf8').matchAll(/^```([^\n`]*)\n([^]*?)^```$/gm)]
    .map(([, info = '', text = '']) => ({ page, info, text })))
}

/** An example with the package's name in place of relative paths. */
export function asConsumer (example: string): string {
  return example
    .replace(/^\/\/ In a project of your own[^\n]*\n/gm, '')
    .replaceAll("'../router.ts'", "'fastify-vllm-router'")
    .replace(/'\.\.\/(policies|simulator)\/index\.ts'/g, "'fastify-vllm-router/$1'")
    .replace(/'\.\.\/(plugins|policies|simulator|discovery|openai)\/([\w-]+)\.ts'/g, "'fastify-vllm-router/$1/$2'")
}
