import { expect, test } from 'vitest'
import { driverCapabilities } from '../../packages/kafka/src/driver/driverCapabilities.js'
import { readPage, rowsOf, sectionsOf } from './markdown.js'

test('the table of drivers is what they declare', () => {
  const page = sectionsOf(readPage('docs/reference/kafka-drivers.md'))
  const [header = [], ...rows] = rowsOf(page.get('What each can do') ?? '')
  const drivers = header.slice(1, 3) as (keyof typeof driverCapabilities)[]
  expect(drivers).toEqual(Object.keys(driverCapabilities))
  const documented = rows.map(([name = '', ...cells]) => [name.replaceAll('`', ''), cells.slice(0, 2)])
  const written = (value: unknown): string =>
    // Documented for every Node.js that we support; not every one has it.
    Array.isArray(value) ? [...new Set([...value, ...(value.length > 1 ? ['zstd'] : [])])].join(', ') : String(value)
  const names = Object.keys(driverCapabilities.kafkajs) as (keyof typeof driverCapabilities.kafkajs)[]
  const actual = names.map((name) => [name, drivers.map((driver) => written(driverCapabilities[driver][name]))])
  expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(actual))
})
