import { expect, test } from 'vitest'
import { collectTests } from './collectTests.js'
import { consumingRequirements } from './consuming.js'
import { kafkaConsumingRequirements } from './kafkaConsuming.js'
import { kafkaPublishingRequirements } from './kafkaPublishing.js'
import { publishingRequirements } from './publishing.js'
import { relayingRequirements } from './relaying.js'
import { renderRequirements } from './renderRequirements.js'
import { transactionRequirements } from './transactions.js'

const all = [
  ...publishingRequirements,
  ...consumingRequirements,
  ...kafkaPublishingRequirements,
  ...kafkaConsumingRequirements,
  ...relayingRequirements,
  ...transactionRequirements,
]
const named = all.flatMap(({ id, musts }) =>
  musts.flatMap(({ must, tests }) => tests.map((found) => ({ id, must, ...found }))),
)

test('every row of the catalogue has its requirements, once', () => {
  const rows = { A: 27, B: 26, C: 20, D: 25, E: 26 }
  const expected = Object.entries(rows).flatMap(([group, length]) =>
    Array.from({ length }, (_, index) => `${group}${index + 1}`),
  )
  expect(all.map(({ id }) => id)).toEqual(expected)
})

test('every requirement is stated once, and names at least one test or says that it is open', () => {
  const musts = all.flatMap((requirement) => requirement.musts)
  expect(new Set(musts.map(({ must }) => must)).size).toBe(musts.length)
  expect(all.filter((requirement) => requirement.musts.length === 0)).toEqual([])
  expect(musts.filter(({ tests, open }) => tests.length === 0 && open === undefined)).toEqual([])
})

test('every test that is named exists and is not skipped', () => {
  const existing = collectTests()
  expect(existing.size).toBeGreaterThan(100)
  const missing = named.filter(({ file, name }) => existing.get(file)?.has(name) !== true)
  expect(missing).toEqual([])
})

test('the page of the docs is made of this table', async () => {
  const page = renderRequirements({
    'RabbitMQ: connections and publishing': publishingRequirements,
    'RabbitMQ: consuming and queues': consumingRequirements,
    'Kafka: publishing': kafkaPublishingRequirements,
    'Kafka: consuming': kafkaConsumingRequirements,
    'Outbox: from the table to the broker': relayingRequirements,
    'Outbox and inbox: what is committed together': transactionRequirements,
  })
  // Where they differ: run it with -u, and read the page.
  await expect(page).toMatchFileSnapshot('../../docs/reference/requirements.md')
})
