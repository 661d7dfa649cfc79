import { createKafka } from '@posthorn/kafka'
import { createMemory } from '@posthorn/memory'
import { createRabbitMq } from '@posthorn/rabbitmq'
import { expect, test } from 'vitest'
import { readPage, rowsOf, sectionsOf } from './markdown.js'

const sections = sectionsOf(readPage('docs/reference/capabilities.md'))
const transports = [
  createMemory(),
  createRabbitMq({ urls: ['amqp://localhost'] }),
  createKafka({ brokers: ['localhost:9092'] }),
]

test('the table of capabilities is what the transports say', () => {
  const rows = rowsOf(sections.get('Capabilities') ?? '').slice(1)
  const documented = rows.map(([name = '', ...cells]): [string, string[]] => [
    name.replaceAll('`', ''),
    cells.slice(0, 3),
  ])
  const names = Object.keys(transports[0]!.capabilities) as (keyof (typeof transports)[0]['capabilities'])[]
  const actual = names.map((name) => [name, transports.map(({ capabilities }) => String(capabilities[name]))])
  expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(actual))
})

test('every difference has a word for each broker', () => {
  const rows = rowsOf(sections.get('Where the brokers differ') ?? '')
  expect(rows.length).toBeGreaterThan(5)
  for (const cells of rows.slice(1)) {
    expect(cells).toHaveLength(4)
    expect(
      cells.every((cell) => cell !== ''),
      cells[0],
    ).toBe(true)
  }
})
