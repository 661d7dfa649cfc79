import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Transport } from '@posthorn/core/adapter'
import { createKafka } from '@posthorn/kafka'
import { storeConformanceCases } from '@posthorn/outbox/conformance'
import type { StoreSetup } from '@posthorn/outbox/conformance'
import { createRabbitMq } from '@posthorn/rabbitmq'
import { conformanceCases } from '@posthorn/testing'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * The names of all tests that would run, by file: Vitest's own static reading, which leaves out what is skipped, needs
 * no broker and imports nothing. Cases of the suites that are run for each transport and each driver are added.
 */
export function collectTests(): ReadonlyMap<string, ReadonlySet<string>> {
  const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')
  const json = execFileSync(process.execPath, [vitest, 'list', '--staticParse', '--json', '--root', root], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1_024 * 1_024,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const found = new Map<string, Set<string>>()
  for (const { file, name } of JSON.parse(json) as { file: string; name: string }[]) {
    const path = relative(root, file)
    // Vitest 4.1 reads titles with double quotes as if they were escaped.
    found.set(path, (found.get(path) ?? new Set()).add(name.replaceAll(String.raw`\"`, '"')))
  }
  for (const [path, titles] of [...conformanceTitles(), ...storeTitles(), ...driverTitles()]) {
    found.set(path, new Set([...(found.get(path) ?? []), ...titles]))
  }
  return found
}

type Titles = readonly [path: string, titles: readonly string[]]

function conformanceTitles(): readonly Titles[] {
  const makers: Readonly<Record<string, () => Transport>> = {
    rabbitmq: () => createRabbitMq({ urls: ['amqp://localhost'] }),
    kafka: () => createKafka({ brokers: ['localhost:9092'] }),
  }
  return Object.entries(makers).map(([name, createTransport]): Titles => {
    const { capabilities } = createTransport()
    const cases = conformanceCases({ createTransport, createUnreachableTransport: createTransport, capabilities })
    const titles = cases.map(({ promise, title }) => `${name} > ${promise}: ${title}`)
    return [`test/conformance/${name}.int.test.ts`, titles]
  })
}

/** The cases of the suite of stores, under the names that the files of stores give them. */
function storeTitles(): readonly Titles[] {
  const titlesOf = (setup: Partial<StoreSetup<never>>): string[] =>
    storeConformanceCases({ open: () => Promise.reject(new Error('only their names')), ...setup }).map(
      ({ promise, title }) => `${promise}: ${title}`,
    )
  const tests = 'packages/postgres/test'
  const withSuite = (suite: string, titles: readonly string[]): string[] => titles.map((title) => `${suite} > ${title}`)
  const pollingOnly = titlesOf({ listens: false }).filter((title) => /^(listening|transactions): /.test(title))
  const behindPgBouncer = titlesOf({ listens: false }).filter((title) =>
    /^(transactions|exactMessages|refusedHandles|fences|listening|inboxRaces): /.test(title),
  )
  return [
    [`${tests}/pgConformance.int.test.ts`, withSuite('the store on PostgreSQL', titlesOf({}))],
    [`${tests}/pgConformance.int.test.ts`, withSuite('the store on PostgreSQL with polling only', pollingOnly)],
    [`${tests}/pgBouncer.int.test.ts`, withSuite('the store behind PgBouncer in transaction mode', behindPgBouncer)],
    [
      `${tests}/pgliteConformance.test.ts`,
      withSuite('the store on PGlite', titlesOf({ hasConcurrentTransactions: false })),
    ],
  ]
}

const drivers = 'packages/kafka/test/driver'

/** The suites that a driver’s own file calls, first thing within `describe('kafkajs', () => …)`. */
function driverTitles(): readonly Titles[] {
  const files = readdirSync(join(root, drivers), { recursive: true, encoding: 'utf8' })
  return files
    .filter((file) => file.endsWith('.test.ts'))
    .flatMap((file) => {
      const path = join(drivers, file)
      const calls = readFileSync(join(root, path), 'utf8').matchAll(
        /^describe\('(\w+)', \(\) => (?:\{\s*)?(\w+Suite)\(/gm,
      )
      return [...calls].flatMap(([, driver = '', suite = '']) =>
        suiteTitles(suite).map((title): Titles => [path, [`${driver} > ${title}`]]),
      )
    })
}

/** Groups and their tests, as they stand in the file of a suite. */
function suiteTitles(suite: string): readonly string[] {
  const path = join(root, drivers, `${suite}.ts`)
  if (!existsSync(path)) return []
  let group = ''
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line) => {
      group = /^ {2}describe\('(.*)', /.exec(line)?.[1] ?? group
      const title = /^ {4}it\('(.*)', /.exec(line)?.[1]
      return title === undefined ? [] : [`${group} > ${title}`]
    })
}
