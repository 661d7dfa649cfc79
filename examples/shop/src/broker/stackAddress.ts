import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** The variables that name servers, as the tests and benchmarks of the repository read them. */
export const addressVariables = {
  rabbitmq: 'POSTHORN_RABBITMQ_URL',
  kafka: 'POSTHORN_KAFKA_BROKERS',
  postgres: 'POSTHORN_POSTGRES_URL',
} as const

/** Where the build puts the command behind `npm run stack`, seen from this file in `examples/shop/dist/broker`. */
const commands = ['../../../../test/dist/stack/main.js', '../../../../test/dist/stack/src/main.js']

/** The address of a server that `npm run stack -- up` started; undefined where there is none, or no stack at all. */
export async function stackAddress(kind: keyof typeof addressVariables): Promise<string | undefined> {
  const command = commands.map((path) => fileURLToPath(new URL(path, import.meta.url))).find((path) => existsSync(path))
  if (command === undefined) return undefined
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [command, 'env', '--json'], { timeout: 20_000 })
    const address = (JSON.parse(stdout) as Record<string, unknown>)[addressVariables[kind]]
    return typeof address === 'string' ? address : undefined
  } catch {
    return undefined // The caller says what to do when there is no address; why the stack has none helps nobody.
  }
}
