import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { MigrateResult } from '@posthorn/postgres'

/** A process that waits with its connection open until it is told to migrate. */
export interface MigrationProcess {
  /** Resolves when it is connected. */
  readonly ready: Promise<unknown>
  migrate(): Promise<MigrateResult>
}

// Processes that run without vitest use what is built.
const script = `
  const { migrate } = await import('@posthorn/postgres')
  const { default: pg } = await import('pg')
  const pool = new pg.Pool({ connectionString: process.argv[1], max: 1 })
  await pool.query('select 1')
  console.log('ready')
  await new Promise((resolve) => process.stdin.once('data', resolve))
  console.log(JSON.stringify(await migrate(pool, { schema: process.argv[2] })))
  await pool.end()
  process.exit()`

/** Starts one; it ends when it has migrated. */
export function startMigration(url: string, schema: string): MigrationProcess {
  const folder = new URL('../..', import.meta.url)
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, '--', url, schema], {
    cwd: folder,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const nextLine = async (): Promise<string> => {
    const { value } = await lines.next()
    if (value === undefined) throw new Error('The process has ended')
    return String(value)
  }
  return {
    ready: nextLine(),
    async migrate() {
      child.stdin.write('go\n')
      return JSON.parse(await nextLine()) as MigrateResult
    },
  }
}
