import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, vi } from 'vitest'
import type { Instance } from '../src/instances.js'
import { parseTarget } from '../src/targets.js'

/** An instance as its file describes it; nothing runs. */
export const describeInstance = (
  name: string,
  ports: Record<string, number>[],
  over: Partial<Instance> = {},
): Instance => ({
  id: `${name}-test`,
  target: parseTarget(name),
  version: '1.2.3',
  installed: '/nowhere',
  folder: '/nowhere',
  owner: null,
  ports: {},
  nodes: ports.map((it, at) => ({ index: at + 1, ports: it })),
  startedAt: '2026-01-01T00:00:00.000Z',
  ready: true,
  ...over,
})

/** Lets each test of a file see a state folder of its own, and no servers of this machine's environment. */
export const withOwnState = (): void => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'posthorn-stack-test-'))
    chmodSync(folder, 0o711) // PostgreSQL runs as another user
    vi.stubEnv('TMPDIR', folder)
    vi.stubEnv('POSTHORN_RABBITMQ_URL', '')
    vi.stubEnv('POSTHORN_KAFKA_BROKERS', '')
    vi.stubEnv('POSTHORN_POSTGRES_URL', '')
  })
  afterEach(() => {
    vi.unstubAllEnvs()
    rmSync(folder, { recursive: true, force: true })
  })
}
