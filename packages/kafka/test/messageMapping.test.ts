import { describe, expect, it } from 'vitest'
import { createHeadersReader, createRecordMaker } from '../src/messageMapping.js'
import { wireMessage } from './support/broker.js'

const { toRecord } = createRecordMaker()

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
    expect(made.key).toBe('k')
    expect(made.value?.toString()).toBe('m')
  })

  it('with nothing but a content type shares its headers with others', () => {
    const [one, other] = ['a', 'b'].map((id) => toRecord(wireMessage({ id, contentType: 'a/b' }), 0))
    expect(one!.headers).toEqual({ 'content-type': 'a/b' })
    expect(other!.headers).toBe(one!.headers)
    expect(toRecord(wireMessage({ id: 'c', contentType: '' }), 0).headers).toEqual({})
  })

  it.each([
    [1],
    [null],
    [undefined],
    [true],
    [Infinity],
    [['a']],
    [new Date(0)],
    [Buffer.from('a')],
    [{}],
    [Symbol('a')],
  ])('with a header of %s is refused: Kafka has bytes only', (value) => {
    const headers = { good: 'a', bad: value } as unknown as Record<string, string>
    expect(() => toRecord(wireMessage({ id: 'm', headers }), 0)).toThrow(TypeError)
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

describe('headers', () => {
  const read = createHeadersReader()

  it('are read as text, the first of several, and the content type apart', () => {
    const headers = {
      'Content-Type': Buffer.from('a/b'),
      traceparent: [Buffer.from('first'), Buffer.from('second')],
      plain: 'text',
      nothing: null,
    }
    const found = read(headers)
    expect(found.contentType).toBe('a/b')
    expect(Object.getPrototypeOf(found.headers)).toBeNull()
    expect({ ...found.headers }).toEqual({ traceparent: 'first', plain: 'text' })
  })

  it('bring nothing in by the name of a prototype, or as the bytes of a key', () => {
    const headers = Object.fromEntries([
      ['__proto__', Buffer.from('polluted')],
      ['constructor', Buffer.from('polluted')],
      ['posthorn-key', Buffer.from('polluted')],
    ])
    expect(Object.keys(read(headers).headers)).toEqual([])
  })

  it('that are the same object are shared from the second record on, and nobody can change what others have', () => {
    const headers = { a: Buffer.from('1') }
    const [first, second, third] = [read(headers), read(headers), read(headers)]
    expect(third).toBe(second)
    expect(first.headers).not.toBe(second.headers)
    expect({ ...first.headers }).toEqual({ ...second.headers })
    expect(Object.isFrozen(second.headers)).toBe(true)
    expect(read({ ...headers })).not.toBe(second)
  })
})
