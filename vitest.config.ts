import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

// Tests run on the sources, so that a test and the package it imports are one copy of the code.
const alias = [
  { find: '@posthorn/core/adapter', replacement: at('packages/core/src/adapter.ts') },
  { find: /^@posthorn\/(contracts|core|memory|rabbitmq|kafka|testing)$/, replacement: at('packages/$1/src/index.ts') },
]
const exclude = ['**/node_modules/**', '**/dist/**']
const unitTests = ['**/*.test.ts']
const integrationTests = ['**/*.int.test.ts', '**/*.fault.test.ts']

export default defineConfig({
  resolve: { alias },
  test: {
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: unitTests, exclude: [...exclude, ...integrationTests], testTimeout: 10_000 },
      },
      {
        extends: true,
        // Two cores carry brokers and tests: files run one after the other.
        test: {
          name: 'integration',
          include: integrationTests,
          exclude,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
})
