import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { pikaVersion } from '../interop/installPika.js'
import { prismaVersion } from '../interop/installPrisma.js'
import { kcatVersion } from '../interop/kcat.js'
import { releases } from '../stack/src/installKafka.js'
import { blocksOf, readPage, root, rowsOf } from './markdown.js'

const page = readPage('docs/how-to/receive-foreign-messages.md')

/** Programs that the tests in `test/interop` run. */
const programs = [
  'pika/publish_event.py',
  'pika/read_events.py',
  'pika/hello_send.py',
  'rhea/publishEvent.mjs',
  'rhea/readEvent.mjs',
  'toHttp.ts',
  'kcat/publish_event.sh',
  'kcat/read_events.sh',
]

test.each(programs)('the page shows %s as it runs in the tests', (path) => {
  const name = path.split('/').at(-1)
  const shown = blocksOf(page).find(({ file }) => file === name)
  expect(shown?.code).toBe(readFileSync(join(root, 'test', 'interop', path), 'utf8'))
})

test('the page names the versions of the clients that are tested', () => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly version?: string }>>
  }
  const named = new Map(rowsOf(page).map(([client = '', version = '']) => [client, version]))
  expect(named.get('pika (Python)')).toBe(pikaVersion)
  expect(named.get('rhea (AMQP 1.0)')).toBe(packages['node_modules/rhea']?.version)
  expect(named.get('kcat (librdkafka)')).toBe(kcatVersion)
  expect(named.get("Kafka's console tools")?.split(', ').toSorted()).toEqual(
    Object.values(releases)
      .map(({ version: kafka }) => kafka)
      .toSorted(),
  )
  expect(named.get('cloudevents (npm)')).toBe(packages['node_modules/cloudevents']?.version)
})

test('the page about the outbox names the version of Prisma that is tested', () => {
  expect(readPage('docs/how-to/set-up-the-outbox.md')).toContain(`Prisma ${prismaVersion}`)
})
