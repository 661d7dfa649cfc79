import { describe, expect, it } from 'vitest'
import { readRecord, toRecord } from '../src/messageMapping.js'
import { record } from './support/fakeDriver.js'
import { wireMessage } from './support/broker.js'

describe('a message', () => {
  it('becomes a record with the key, and the content type as a header', () => {
    const message = wireMessage({
      id: 'm',
      partitionKey: 'k',
      contentType: 'a/b',
      headers: { 'Content-Type': 'x', h: '1' },
    })
    const made = toRecord(message, 7)
    expect(made).toMatchObject({ headers: { 'content-type': 'a/b', h: '1' }, timestampMs: 7 })
    expect(made.key?.toString()).toBe('k')
    expect(made.value?.toString()).toBe('m')
  })

  it('without key and without data has neither', () => {
    expect(toRecord(wireMessage({ id: 'm', body: null }), 0)).toMatchObject({ key: null, value: null })
  })

  it('keeps the bytes that it was given, without a copy', () => {
    const bytes = new Uint8Array([0, 1, 2, 3]).subarray(1, 3)
    const { value } = toRecord(wireMessage({ id: 'm', body: bytes }), 0)
    expect([...value!]).toEqual([1, 2])
    expect(value!.buffer).toBe(bytes.buffer)
  })
})

describe('a record', () => {
  it('is read with headers as text, the first of several, and the content type apart', () => {
    const headers = {
      'Content-Type': Buffer.from('a/b'),
      traceparent: [Buffer.from('first'), Buffer.from('second')],
      plain: 'text',
      nothing: null,
    }
    const read = readRecord(record(1, { headers, key: Buffer.from('käse') }))
    expect(read.contentType).toBe('a/b')
    expect(Object.getPrototypeOf(read.headers)).toBeNull()
    expect({ ...read.headers }).toEqual({ traceparent: 'first', plain: 'text' })
    expect(read.partitionKey).toBe('käse')
  })

  it('brings nothing in by the name of a prototype', () => {
    const headers = Object.fromEntries([
      ['__proto__', Buffer.from('polluted')],
      ['constructor', Buffer.from('polluted')],
    ])
    expect(Object.keys(readRecord(record(1, { headers })).headers)).toEqual([])
  })

  it('without value, key and headers is a tombstone of nobody', () => {
    expect(readRecord(record(1, { value: null }))).toEqual({
      body: null,
      headers: Object.create(null),
      contentType: '',
      partitionKey: undefined,
    })
  })
})
