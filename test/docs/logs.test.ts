import { logEvents } from '@posthorn/core'
import type { LogEvent, LogEventFacts } from '@posthorn/core'
import { describe, expect, test } from 'vitest'
import { logCalls } from './logCalls.js'
import { pages, readPage, rowsOf } from './markdown.js'

const catalogue = new Map<string, LogEventFacts>(Object.entries(logEvents))
const calls = logCalls()
const page = readPage('docs/reference/logs.md')
const ticked = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, inside = '']) => inside)

/** Set by children of the log, by the log itself, or by the facts of a message that are spread. */
const bound = new Set(['destination', 'group', 'queue', 'topic', 'groupId', 'code'])

test('the page and the catalogue say the same, in both directions and in one order', () => {
  const rows = rowsOf(page).filter((row) => row.length === 5 && row[0]?.startsWith('`'))
  const documented = rows.map(([event = '', level, meaning, action, fields = '']) => [
    ticked(event)[0],
    level === 'as `of`' ? 'same' : level,
    meaning,
    action,
    ticked(fields),
  ])
  const table = [...catalogue].map(([event, { level, meaning, action, fields }]) => [
    event,
    level,
    meaning,
    action,
    [...fields],
  ])
  expect(table.length).toBeGreaterThan(60)
  expect(documented).toEqual(table)
})

test('events that any page names are in the catalogue', () => {
  const names =
    /^(?:message|settle|publish|consume|deadLetter|schema|part|relay|inbox|rabbitmq|kafka)\.[a-z]+[a-zA-Z.]*$/
  // What looks like one and is a call, an option or a module.
  const others = /\(|^kafka\.(?:js|apache)|^relay\.config\.mjs$|^relay\.(?:start|stop|health|decide)$/
  for (const file of pages().filter((name) => name.startsWith('docs/'))) {
    const table = rowsOf(readPage(file)).flatMap(([first = '', level = '']) =>
      /^(?:debug|info|warn|error)$/.test(level) ? ticked(first) : [],
    )
    const unknown = table.filter((name) => names.test(name) && !others.test(name) && !catalogue.has(name))
    expect(unknown, file).toEqual([])
  }
})

test('a page gives an event the level of the catalogue', () => {
  for (const file of pages().filter((name) => name.startsWith('docs/'))) {
    for (const [first = '', level = ''] of rowsOf(readPage(file))) {
      const facts = catalogue.get(ticked(first)[0] ?? '')
      if (facts !== undefined && /^(?:debug|info|warn|error)$/.test(level))
        expect(level, `${file}: ${first}`).toBe(facts.level)
    }
  }
})

describe('the sources', () => {
  test('name an event of the catalogue in every call of a logger, at its level', () => {
    expect(calls.length).toBeGreaterThan(70)
    const wrong = calls.filter(({ event, level }) => event === undefined || catalogue.get(event)?.level !== level)
    expect(wrong.map(({ at, event, level }) => `${at}: ${event} at ${level}`)).toEqual([])
  })

  test('write every event of the catalogue', () => {
    const written = new Set(calls.map(({ event }) => event))
    written.add('log.suppressed' satisfies LogEvent)
    expect([...catalogue.keys()].filter((event) => !written.has(event))).toEqual([])
  })

  test('give records the fields that the catalogue names, and no other', () => {
    for (const { at, event = '', fields } of calls) {
      const known = catalogue.get(event)!.fields
      expect(
        fields.filter((field) => !known.includes(field)),
        `${at}: ${event}`,
      ).toEqual([])
    }
    for (const [event, { fields }] of catalogue) {
      const own = calls.filter((call) => call.event === event)
      if (own.length === 0 || own.some(({ hasSpread }) => hasSpread)) continue
      const given = new Set(own.flatMap((call) => call.fields))
      expect(
        fields.filter((field) => !given.has(field) && !bound.has(field)),
        event,
      ).toEqual([])
    }
  })
})

test('no field is called by a name under which data or secrets would stand', () => {
  const named = [...catalogue.values()].flatMap(({ fields }) => fields)
  expect(named.filter((field) => /data|body|payload|header|password|token|secret|^error$/i.test(field))).toEqual([])
})

test('names are words with dots, and every event says what to do', () => {
  for (const [event, { action, meaning }] of catalogue) {
    expect(event).toMatch(/^[a-zA-Z]+(?:\.[a-zA-Z]+)+$/)
    expect(action.length, event).toBeGreaterThan(6)
    expect(meaning, event).toMatch(/\.$/)
  }
})
