import { describe, expect, it } from 'vitest'
import { readDeadLetter } from '../../src/index.js'
import type { DeadLetter } from '../../src/index.js'
import { deadLetterHeaders } from '../../src/consumer/copyHeaders.js'
import { EnvelopeValidationError } from '../../src/errors.js'
import { headersOf, messageOf, orderPlaced } from '../fixtures.js'

const read = (headers: Readonly<Record<string, string>>): DeadLetter =>
  readDeadLetter({ ...messageOf(orderPlaced, { orderId: 'o-1' }), headers: headersOf(headers) })

describe('a dead letter is read', () => {
  it('as it was written', () => {
    const issues = [{ pointer: '/data/orderId', keyword: 'type', message: 'must be string' }]
    const error = new EnvelopeValidationError({ code: 'POSTHORN_INVALID_DATA', message: 'invalid', issues })
    const facts = {
      attempt: 4,
      firstFailedAt: '2026-01-01T10:00:00.000Z',
      group: 'billing',
      origin: 'rabbitmq:orders.billing',
      nowIso: '2026-01-01T12:00:00.000Z',
      error,
    }
    const headers = deadLetterHeaders({ tenant: 'acme' }, facts, 'invalid')
    const message = messageOf(orderPlaced, { orderId: 'o-1' })
    const envelope = { specversion: '1.0', id: '1', source: '/s', type: 't' } as const
    const raw = { ...message, headers: headersOf(headers), partitionKey: 'k' }
    expect(readDeadLetter(raw, envelope)).toEqual({
      body: message.body,
      contentType: message.contentType,
      headers: raw.headers,
      reason: 'invalid',
      attempts: 4,
      error: { name: 'EnvelopeValidationError', message: 'invalid', stack: error.stack },
      issues,
      firstFailedAt: '2026-01-01T10:00:00.000Z',
      lastFailedAt: '2026-01-01T12:00:00.000Z',
      origin: 'rabbitmq:orders.billing',
      group: 'billing',
      host: headers['posthorn-host'],
      partitionKey: 'k',
      envelope,
    })
    const { partitionKey: _, ...keyless } = raw
    expect(readDeadLetter(keyless, { ...envelope, partitionkey: 'own' }).partitionKey).toBe('own')
  })

  it('with 0 attempts when no handler saw it, and without any where nobody counted', () => {
    expect(read({ 'posthorn-attempt': '0' }).attempts).toBe(0)
    for (const value of ['', '-1', 'x', '1.5']) expect(read({ 'posthorn-attempt': value }).attempts).toBeUndefined()
    expect(read({}).attempts).toBeUndefined()
  })

  it('when all that is known are its bytes', () => {
    expect(read({})).toMatchObject({
      reason: 'unknown',
      error: undefined,
      issues: [],
      group: undefined,
      origin: undefined,
    })
  })

  it('with an error that has a name only', () => {
    expect(read({ 'posthorn-error-name': 'Odd' }).error).toEqual({ name: 'Odd', message: '', stack: undefined })
  })

  it('with the issues that can be read', () => {
    for (const json of ['', '{', '{}', 'null', '"x"', '7']) expect(read({ 'posthorn-issues': json }).issues).toEqual([])
  })
})

describe('what only the broker wrote is put into our words', () => {
  it('as reason and origin', () => {
    const reasons = {
      delivery_limit: 'deliveryLimit',
      expired: 'expired',
      rejected: 'rejected',
      maxlen: 'unknown',
      toString: 'unknown',
      '': 'unknown',
    }
    for (const [theirs, ours] of Object.entries(reasons)) {
      const letter = read({ 'x-first-death-reason': theirs, 'x-first-death-queue': 'orders.billing' })
      expect(letter).toMatchObject({ reason: ours, origin: 'orders.billing', attempts: undefined })
    }
  })

  it('unless we said more', () => {
    const both = {
      'posthorn-reason': 'invalid',
      'posthorn-origin': 'rabbitmq:orders.billing',
      'x-first-death-reason': 'expired',
      'x-first-death-queue': 'q',
    }
    expect(read(both)).toMatchObject({ reason: 'invalid', origin: 'rabbitmq:orders.billing' })
  })

  it('also for a message that had been retried: its attempts are known', () => {
    const retried = {
      'posthorn-attempt': '3',
      'posthorn-first-failed-at': '2026-01-01T10:00:00.000Z',
      'x-first-death-reason': 'delivery_limit',
    }
    expect(read(retried)).toMatchObject({
      reason: 'deliveryLimit',
      attempts: 3,
      firstFailedAt: '2026-01-01T10:00:00.000Z',
    })
  })
})
