import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** Another release of the client of the second Kafka driver than the one that is installed: the matrix sets it. */
const platformatic = process.env['POSTHORN_PLATFORMATIC_KAFKA']

// Tests run on the sources, so that a test and the package it imports are one copy of the code.
const alias = [
  ...(platformatic === undefined ? [] : [{ find: '@platformatic/kafka', replacement: platformatic }]),
  { find: '@posthorn/core/adapter', replacement: at('packages/core/src/adapter.ts') },
  { find: /^@posthorn\/postgres\/(drizzle|kysely|prisma)$/, replacement: at('packages/postgres/src/$1.ts') },
  { find: '@posthorn/monitoring/prometheus', replacement: at('packages/monitoring/src/prometheus.ts') },
  { find: '@posthorn/outbox/conformance', replacement: at('packages/outbox/src/conformance/index.ts') },
  {
    find: /^@posthorn\/(contracts|core|memory|rabbitmq|kafka|opentelemetry|monitoring|outbox|postgres|testing)$/,
    replacement: at('packages/$1/src/index.ts'),
  },
]
const exclude = ['**/node_modules/**', '**/dist/**']
const unitTests = ['**/*.test.ts']
/** With clients of others, which are installed first: `npm run test:interop`. */
const interopTests = ['test/interop/**/*.int.test.ts']
const integrationTests = ['**/*.int.test.ts', '**/*.fault.test.ts']

/** Only what hangs may run into it: a busy machine makes a test slow, and never red. */
const patience = { testTimeout: 120_000, hookTimeout: 120_000, expect: { poll: { timeout: 60_000 } } }

/** Two cores carry brokers and tests: files run one after the other. */
const withServers = { ...patience, fileParallelism: false, testTimeout: 240_000, hookTimeout: 300_000 }

export default defineConfig({
  resolve: { alias },
  test: {
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: unitTests, exclude: [...exclude, ...integrationTests], ...patience },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: integrationTests,
          exclude: [...exclude, ...interopTests],
          ...withServers,
        },
      },
      { extends: true, test: { name: 'interop', include: interopTests, exclude, ...withServers } },
    ],
  },
})
