import { expect, test } from 'vitest'
import { pages, proseOf, readPage, rowsOf } from './markdown.js'

const rows = rowsOf(readPage('docs/glossary.md')).filter(([word]) => word?.startsWith('**'))
const words = rows.map(([word = '']) => word.replaceAll('*', ''))

/** The words of the project: each is one idea. */
const vocabulary =
  'envelope, data, body, headers, destination, contract, event, command, publisher, publish, sender, subscriber, ' +
  'service, consumer, group, delivery, handler, middleware, settle, complete, release, retry, dead-letter, discard, ' +
  'skipped, routed, unrouted, attempt, retry ladder, rung, backoff, jitter, lane, held key, dead letter, partition key, ' +
  'outbox, outbox entry, relay, inbox, topology, in-flight, drain, close'

test('every word of the project has its sentence', () => {
  expect(words).toEqual(expect.arrayContaining(vocabulary.split(', ')))
  for (const [word, meaning] of rows) expect(meaning, word).toMatch(/^[A-Z].*\.$/)
})

test('words stand in the order of the alphabet, once', () => {
  const plain = (word: string): string => word.replaceAll(/[^a-z]/gi, '').toLowerCase()
  expect(words).toEqual([...words].sort((a, b) => plain(a).localeCompare(plain(b), 'en')))
  expect(new Set(words).size).toBe(words.length)
})

test('pages use the words of the project, not their neighbours', () => {
  const instead = /\b(payload|DLQ|back-off|re-?queue|nacked)\b/i
  for (const page of pages().filter((name) => /^(docs|README|ARCHITECTURE|CONTRIBUTING|CHANGELOG)/.test(name))) {
    expect(instead.exec(proseOf(readPage(page)).replaceAll(/`[^`]*`/g, ''))?.[0], page).toBeUndefined()
  }
})
