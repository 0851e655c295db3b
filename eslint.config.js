// Lint: neostandard's style, no `any`, no floating mistakes, and the one direction imports may point in.
import neostandard, { plugins } from 'neostandard'

const tseslint = plugins['typescript-eslint']

/** Folders may import only what stands left of them (docs/architecture.md). */
const arrows = {
  core: ['openai', 'policies', 'discovery', 'disaggregation', 'auth', 'plugins', 'routes', 'simulator'],
  openai: ['policies', 'discovery', 'disaggregation', 'auth', 'plugins', 'routes', 'simulator'],
  policies: ['discovery', 'disaggregation', 'auth', 'plugins', 'routes', 'simulator'],
  discovery: ['policies', 'disaggregation', 'auth', 'plugins', 'routes', 'simulator'],
  disaggregation: ['policies', 'discovery', 'auth', 'plugins', 'routes', 'simulator'],
  auth: ['openai', 'policies', 'discovery', 'disaggregation', 'plugins', 'routes', 'simulator'],
  plugins: ['routes'],
  simulator: ['policies', 'discovery', 'disaggregation', 'auth', 'plugins', 'routes']
}
const noFastify = ['core', 'openai', 'policies', 'discovery', 'disaggregation', 'auth']

export default [
  ...neostandard({ ts: true, ignores: ['build/**', 'dist/**', 'node_modules/**', '.tap/**'] }),
  {
    files: ['**/*.ts'],
    plugins: { '@typescript-eslint': tseslint.plugin },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      'no-console': 'error',
      'no-void': ['error', { allowAsStatement: true }]
    }
  },
  { files: ['**/*.ts'], ignores: ['test/**', 'bench/**'], rules: { 'max-lines': ['error', { max: 350 }] } },
  ...Object.entries(arrows).map(([folder, right]) => ({
    files: [`${folder}/**/*.ts`],
    rules: {
      'no-restricted-imports': ['error', {
        patterns: [
          { group: right.map(name => `**/${name}/**`).concat('**/server.ts', '**/router.ts', '**/options.ts'), message: 'imports point from right to left: see docs/architecture.md' },
          ...(noFastify.includes(folder) ? [{ group: ['fastify', 'fastify-plugin', 'fastify-metrics', '@fastify/*', '!@fastify/error'], message: 'only plugins, routes and the simulator know Fastify' }] : [])
        ]
      }]
    }
  }))
]
