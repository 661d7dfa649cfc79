import { describe, expect, it } from 'vitest'
import { bodyOf } from '../src/amqpValue.js'

const section = (...bytes: number[]): Buffer => Buffer.from([0x00, 0x53, 0x77, ...bytes])
const read = (content: Buffer): Buffer => bodyOf(content, 'amqp-1.0')

/** As RabbitMQ 4.3 hands on what rhea sends: a text of 300 characters. */
const long = Buffer.concat([section(0xb1, 0, 0, 1, 0x2c), Buffer.from('x'.repeat(300))])

describe('the body of an AMQP 1.0 client', () => {
  it.each([
    ['short text', section(0xa1, 2, 0x68, 0x69), 'hi'],
    ['long text', long, 'x'.repeat(300)],
    ['short bytes', section(0xa0, 2, 0x68, 0x69), 'hi'],
    ['long bytes', section(0xb0, 0, 0, 0, 2, 0x68, 0x69), 'hi'],
    ['no text', section(0xa1, 0), ''],
    ['null', section(0x40), ''],
  ])('is taken out of a value section: %s', (_, content, expected) => {
    expect(read(content).toString()).toBe(expected)
  })

  it.each([
    ['a map', section(0xd1, 0, 0, 0, 9, 0, 0, 0, 2, 0xa1, 1, 0x61, 0x52, 1)],
    ['a number', section(0x52, 1)],
    ['a sequence', Buffer.from([0x00, 0x53, 0x76, 0x45])],
    ['text that is cut off', section(0xa1, 3, 0x68, 0x69)],
    ['text with something behind it', section(0xa1, 1, 0x68, 0x69)],
    ['long text without its length', section(0xb1, 0, 0)],
    ['a section without value', Buffer.from([0x00, 0x53, 0x77])],
    ['plain data', Buffer.from('{}')],
    ['nothing', Buffer.alloc(0)],
  ])('stays as it came: %s', (_, content) => {
    expect(read(content)).toBe(content)
  })

  it('is looked for only where RabbitMQ says so', () => {
    const content = section(0xa1, 2, 0x68, 0x69)
    for (const type of [undefined, '', 'com.example.v1', 1]) expect(bodyOf(content, type)).toBe(content)
  })
})
