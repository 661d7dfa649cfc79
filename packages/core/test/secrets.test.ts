import { Writable } from 'node:stream'
import { defineEvent } from '@posthorn/contracts'
import type { Contract } from '@posthorn/contracts'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { binaryMode, on, plainJson, structuredMode } from '../src/index.js'
import type { Codec, ServiceOptions, WireFormat } from '../src/index.js'
import { toJson } from '../src/envelope/codec.js'
import { parseJson } from '../src/envelope/jsonGuard.js'
import { anything, headersOf, messageOf, orderPlaced, startConsumer } from './fixtures.js'
import { seededRandom } from '../../../test/seededRandom.js'
import { rejection, thrown } from './rejections.js'

/*
 * Data of people must not come out where operators look. Every value in these tests carries the marker; no error, log
 * record or dead-letter header may show it. What users' own functions say in their errors is theirs.
 */
const marker = 'S3CR3T'
const secret = `${marker}-4711`

/** Everything that an error shows when it is printed, serialized or followed to its causes. */
function textOf(error: unknown, depth = 0): string {
  if (typeof error !== 'object' || error === null || depth > 4) return String(error)
  const { message, stack, cause, ...own } = error as Error & Record<string, unknown>
  const more = Object.values(own).map((value) => JSON.stringify(value) ?? '')
  return [message, stack, ...more, textOf(cause, depth + 1)].join('\n')
}

/** A schema per keyword, and data with the marker that breaks it. */
const broken: Readonly<Record<string, [schema: object, data: unknown]>> = {
  type: [{ type: 'integer' }, secret],
  enum: [{ enum: ['a', 'b'] }, secret],
  const: [{ const: 'a' }, secret],
  pattern: [{ type: 'string', pattern: '^a$' }, secret],
  format: [{ type: 'string', format: 'email' }, secret],
  maxLength: [{ type: 'string', maxLength: 2 }, secret],
  minLength: [{ type: 'string', minLength: 99 }, secret],
  required: [{ type: 'object', required: ['a'] }, { b: secret }],
  additionalProperties: [{ type: 'object', additionalProperties: false }, { b: secret }],
  unevaluatedProperties: [{ type: 'object', unevaluatedProperties: false }, { b: secret }],
  dependentRequired: [{ type: 'object', dependentRequired: { b: ['c'] } }, { b: secret }],
  items: [{ type: 'array', items: { type: 'integer' } }, [secret]],
  contains: [{ type: 'array', contains: { type: 'integer' } }, [secret]],
  uniqueItems: [{ type: 'array', uniqueItems: true, maxItems: 9 }, [secret, secret]],
  maxItems: [{ type: 'array', maxItems: 1 }, [secret, secret]],
  anyOf: [{ anyOf: [{ type: 'integer' }, { const: 'a' }] }, secret],
  oneOf: [{ oneOf: [{ type: 'integer' }, { const: 'a' }] }, secret],
  not: [{ not: { type: 'string' } }, secret],
  if: [{ if: { type: 'string' }, then: { maxLength: 1 } }, secret],
  'a deep one': [
    { type: 'object', properties: { a: { type: 'array', items: { type: 'integer' } } } },
    { a: [1, secret] },
  ],
}
const contractOf = (schema: object): Contract<unknown> =>
  defineEvent.typed<unknown>()({
    type: 'com.example.broken.v1',
    destination: 'orders',
    schema: schema as Record<string, unknown>,
  })

describe('no data is shown', () => {
  it('by what a publish rejects with, for any keyword of a schema', async () => {
    for (const [keyword, [schema, data]] of Object.entries(broken)) {
      const { service } = await startConsumer({ handlers: [on(anything, () => {})] })
      const error = await rejection(service.publish(contractOf(schema), data))
      expect(error, keyword).toMatchObject({ code: 'POSTHORN_INVALID_DATA' })
      expect(textOf(error), keyword).not.toContain(marker)
    }
  })

  it('by what a publish rejects with, for data that cannot be written', async () => {
    const cyclic: Record<string, unknown> = { secret }
    cyclic['self'] = cyclic
    let deep: unknown = secret
    for (let level = 0; level < 100; level += 1) deep = [deep]
    const proto = JSON.parse(`{"__proto__":"${secret}"}`) as unknown
    const values = [
      cyclic,
      { secret, big: 1n },
      { secret, n: Number.NaN },
      deep,
      proto,
      secret.repeat(200_000),
      { [secret]: [undefined] },
    ]
    const { service } = await startConsumer({ handlers: [on(anything, () => {})] })
    for (const value of values) {
      const error = await rejection(service.publish(anything, value))
      expect((error as { code: string }).code).toMatch(/^POSTHORN_(UNSERIALIZABLE|TOO_DEEP|TOO_LARGE|FORBIDDEN_KEY)$/)
      expect(textOf(error)).not.toContain(marker)
    }
  })

  it('by what reading throws, whatever is cut out of a body or put in (random)', () => {
    const random = seededRandom(83)
    const body = toJson({ specversion: '1.0', id: '1', source: '/s', type: 't', data: { a: [secret, { b: secret }] } })
    let failures = 0
    for (let run = 0; run < 3_000; run += 1) {
      const at = Math.floor(random() * body.length)
      const put = ['', '"', '}', '[', '\\', '\u0000', '{"__proto__":1}', ',', secret][Math.floor(random() * 9)]!
      const damaged = body.slice(0, at) + put + body.slice(at + Math.floor(random() * 8))
      try {
        parseJson(damaged, 5)
      } catch (error) {
        failures += 1
        if (textOf(error).includes(marker)) expect.unreachable(textOf(error))
      }
    }
    expect(failures).toBeGreaterThan(500)
  })
})

describe('no data is shown in dead letters and the log', () => {
  const codec: Codec = {
    contentType: 'application/x-odd',
    encode: () => new Uint8Array(),
    decode: (bytes) => {
      throw new Error(`cannot decode ${Buffer.from(bytes).toString()}`)
    },
  }
  const cloudEvent = 'application/cloudevents+json'
  const ce = headersOf({ ce_specversion: '1.0', ce_id: '1', ce_source: '/s', ce_type: anything.type })
  const bodies: Readonly<
    Record<string, { body: string; contentType: string; headers?: Record<string, string>; wireFormat?: WireFormat }>
  > = {
    'no JSON': { body: `{"data":"${secret}"`, contentType: cloudEvent },
    'no UTF-8': { body: `{"data":"${secret}\u00ff"}`, contentType: cloudEvent },
    'too deep': { body: `${'['.repeat(100)}"${secret}"${']'.repeat(100)}`, contentType: cloudEvent },
    'too large': { body: `"${secret.repeat(200_000)}"`, contentType: cloudEvent },
    'no object': { body: `["${secret}"]`, contentType: cloudEvent },
    'no attributes': { body: `{"data":"${secret}"}`, contentType: cloudEvent },
    'an attribute of a wrong type': {
      body: `{"specversion":"1.0","id":"1","source":"/s","type":"t","extra":{"a":"${secret}"}}`,
      contentType: cloudEvent,
    },
    'a forbidden key': { body: `{"__proto__":"${secret}"}`, contentType: cloudEvent },
    foreign: { body: secret, contentType: 'text/plain' },
    'what a codec cannot read': {
      body: secret,
      contentType: codec.contentType,
      headers: ce,
      wireFormat: binaryMode({ codec }),
    },
    'plain JSON of another shape': {
      body: `{"a":"${secret}"}`,
      contentType: 'application/json',
      wireFormat: plainJson({ attributes: () => ({ id: '', source: '/s', type: 't' }) }),
    },
    'invalid data': { ...pick(messageOf(orderPlaced, { orderId: '', note: secret, amount: secret })) },
  }

  function pick({ body, contentType }: ReturnType<typeof messageOf>): { body: string; contentType: string } {
    return { body: Buffer.from(body!).toString(), contentType }
  }

  for (const [what, { body, contentType, headers, wireFormat = structuredMode() }] of Object.entries(bodies)) {
    it(what, async () => {
      const lines: string[] = []
      const stream = new Writable({ write: (chunk: Buffer, _encoding, done) => (lines.push(String(chunk)), done()) })
      const options: Partial<ServiceOptions> = { logger: pino({ level: 'debug' }, stream), wireFormat }
      const running = await startConsumer({ handlers: [on(orderPlaced, () => {}), on(anything, () => {})] }, options)
      const bytes = what === 'no UTF-8' ? Buffer.from(body, 'latin1') : Buffer.from(body)
      running.transport.deliver({ body: bytes, contentType, ...(headers === undefined ? {} : { headers }) })
      await running.settle()
      const [dead] = running.transport.sentTo('dead')
      expect(dead?.message.body).toBe(bytes)
      expect(JSON.stringify(dead?.message.headers)).not.toContain(marker)
      expect(lines.join('')).toContain('message.deadLettered')
      expect(lines.join('')).not.toContain(marker)
    })
  }

  it('of a message that is handled, retried, discarded and dead-lettered', async () => {
    const lines: string[] = []
    const stream = new Writable({ write: (chunk: Buffer, _encoding, done) => (lines.push(String(chunk)), done()) })
    const running = await startConsumer(
      {
        handlers: [
          on(orderPlaced, (_message, context) => {
            context.logger.info({}, 'my own line')
            throw new Error('no')
          }),
        ],
        retry: { delaysMs: [0, 1_000] },
      },
      { logger: pino({ level: 'debug' }, stream) },
    )
    running.transport.deliver(messageOf(orderPlaced, { orderId: secret }, { id: 'm-1' }))
    await running.settle()
    running.transport.redeliver(running.transport.sentTo('retry')[0]!)
    await running.settle()
    expect(running.consumer.health()).toMatchObject({ retried: 1, deadLettered: 1 })
    expect(lines.join('')).toContain('my own line')
    expect(lines.join('')).not.toContain(marker)
    expect(JSON.stringify(running.transport.sent.map(({ message }) => message.headers))).not.toContain(marker)
  })
})

it('the marker would be found: a user’s own error shows what it says', () => {
  const error = thrown(() => {
    throw new Error('own', { cause: new Error(secret) })
  })
  expect(textOf(error)).toContain(marker)
})
