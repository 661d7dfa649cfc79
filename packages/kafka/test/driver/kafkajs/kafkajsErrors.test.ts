import kafkajs from 'kafkajs'
import { describe, expect, it } from 'vitest'
import { DriverError, isPassing } from '../../../src/driver/driverError.js'
import { toDriverError } from '../../../src/driver/kafkajs/kafkajsErrors.js'

function protocolError(type: string, retriable: boolean): Error {
  return new kafkajs.KafkaJSProtocolError(Object.assign(new Error(type), { type, code: 1, retriable }))
}

describe('an error of kafkajs', () => {
  it.each([
    ['SASL_AUTHENTICATION_FAILED', 'authentication', 'unknown'],
    ['TOPIC_AUTHORIZATION_FAILED', 'authorization', 'no'],
    ['MESSAGE_TOO_LARGE', 'tooLarge', 'no'],
    ['INVALID_RECORD', 'invalidRecord', 'no'],
    ['NOT_ENOUGH_REPLICAS', 'tooFewReplicas', 'no'],
    ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'tooFewReplicas', 'unknown'],
    ['REBALANCE_IN_PROGRESS', 'membership', 'unknown'],
    ['LEADER_NOT_AVAILABLE', 'unavailable', 'no'],
    // The leader may have appended before it stopped being one, and the topic may have been deleted after that.
    ['NOT_LEADER_FOR_PARTITION', 'unavailable', 'unknown'],
    ['UNKNOWN_TOPIC_OR_PARTITION', 'unknownTopic', 'unknown'],
    ['KAFKA_STORAGE_ERROR', 'unavailable', 'unknown'],
    ['REQUEST_TIMED_OUT', 'unavailable', 'unknown'],
    ['SOMETHING_NEW', 'other', 'unknown'],
  ])('%s is %s, and was written: %s', (type, kind, written) => {
    const retriable = kind === 'unavailable'
    expect(toDriverError(protocolError(type, retriable), 'Sending')).toMatchObject({ kind, written })
  })

  it('is found inside what it was wrapped in', () => {
    const wrapped = Object.assign(new Error('gave up'), {
      name: 'KafkaJSNumberOfRetriesExceeded',
      retriable: false,
      cause: protocolError('NOT_LEADER_FOR_PARTITION', true),
    })
    expect(toDriverError(wrapped, 'Sending')).toMatchObject({ kind: 'unavailable', cause: wrapped })
  })

  it.each([
    ['KafkaJSConnectionError', true],
    ['KafkaJSConnectionClosedError', true],
    ['KafkaJSRequestTimeoutError', true],
    ['KafkaJSNoBrokerAvailableError', true],
    ['TypeError', true],
    ['KafkaJSNotImplemented', false],
    ['KafkaJSSASLAuthenticationError', false],
  ])('%s passes: %s', (name, passes) => {
    expect(isPassing(toDriverError(Object.assign(new Error('x'), { name }), 'Fetching'))).toBe(passes)
  })

  it('may be anything', () => {
    for (const thrown of [undefined, null, 'text', 5, {}]) {
      expect(toDriverError(thrown, 'Sending')).toMatchObject({ kind: 'other', written: 'unknown' })
    }
    const own = new DriverError({ kind: 'closed', message: 'x' })
    expect(toDriverError(own, 'Sending')).toBe(own)
  })
})
