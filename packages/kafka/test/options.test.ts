import { describe, expect, it } from 'vitest'
import { createKafka } from '../src/index.js'
import { settingsOf } from '../src/options.js'
import type { KafkaOptions } from '../src/options.js'

function problemsOf(options: unknown): readonly string[] {
  try {
    createKafka(options as KafkaOptions)
  } catch (error) {
    expect(error).toMatchObject({ code: 'POSTHORN_CONFIGURATION' })
    return (error as { details: { problems: readonly string[] } }).details.problems
  }
  return []
}

describe('options', () => {
  it('have defaults for everything but the brokers', () => {
    expect(settingsOf({ brokers: ['kafka:9092'] })).toMatchObject({
      clientId: 'posthorn',
      topology: { mode: 'apply' },
      partitions: 6,
      replicationFactor: -1,
      sessionTimeoutMs: 30_000,
      heartbeatIntervalMs: 3_000,
      maxBodyBytes: 1_000_000,
      commitIntervalMs: 250,
    })
  })

  it('that the driver cannot honour are refused', () => {
    const drained = { brokers: ['kafka:9092'], groupInstanceId: 'pod-1', rebalanceDrainMs: 1 }
    expect(problemsOf(drained).map((problem) => problem.split(' ')[0])).toEqual(['groupInstanceId', 'rebalanceDrainMs'])
    expect(problemsOf({ ...drained, driver: 'platformatic' })).toEqual([])
    expect(problemsOf({ brokers: ['kafka:9092'], rebalanceDrainMs: 0 })).toEqual([])
    expect(problemsOf({ brokers: ['kafka:9092'], driver: 'librdkafka' })).toHaveLength(1)
  })

  it('wait for what is in flight where the driver can', () => {
    const brokers = ['kafka:9092']
    expect(settingsOf({ brokers })).toMatchObject({ driver: 'kafkajs', rebalanceDrainMs: 0 })
    expect(settingsOf({ brokers, driver: 'platformatic' })).toMatchObject({ rebalanceDrainMs: 3_000 })
  })

  it('need brokers', () => {
    expect(problemsOf({})).toEqual(['brokers is required'])
    expect(problemsOf({ brokers: [] })).toHaveLength(1)
    expect(problemsOf(undefined)).not.toEqual([])
  })

  it('that are impossible are all listed at once, before any I/O', () => {
    const problems = problemsOf({
      brokers: ['kafka'],
      parttitions: 3,
      partitions: 0,
      replicationFactor: 0,
      tls: 'yes',
      sasl: { mechanism: 'gssapi' },
      topology: 'maybe',
      sessionTimeoutMs: 6_000,
      heartbeatIntervalMs: 5_000,
      reconnect: { firstMs: 500, maxMs: 100, often: true },
    })
    for (const part of ['brokers[0]', 'parttitions', 'partitions must', 'replicationFactor', 'tls must', 'topology']) {
      expect(problems.some((problem) => problem.includes(part))).toBe(true)
    }
    for (const part of ['sasl.mechanism', 'sasl.username', 'heartbeatIntervalMs', 'reconnect.often', 'firstMs']) {
      expect(problems.some((problem) => problem.includes(part))).toBe(true)
    }
  })

  it('never show a password', () => {
    const brokers = ['user:secret@kafka:9092', 'http://user:secret@kafka']
    const sasl = { mechanism: 'plain', username: 'user', password: 'secret', extra: 'secret' }
    expect(problemsOf({ brokers, sasl })).toHaveLength(2)
    expect(JSON.stringify(problemsOf({ brokers, sasl }))).not.toContain('secret')
    const kafka = createKafka({
      brokers: ['kafka:9092'],
      sasl: { mechanism: 'plain', username: 'user', password: 'secret' },
    })
    expect(JSON.stringify(kafka.health())).not.toContain('secret')
  })

  it('take credentials as a function, or as they are', () => {
    const credentials = () => ({ username: 'user', password: 'secret' })
    const at = (sasl: object) => problemsOf({ brokers: ['kafka:9092'], sasl })
    expect(at({ mechanism: 'scram-sha-512', credentials })).toEqual([])
    expect(at({ mechanism: 'scram-sha-512', credentials, username: 'user' })).toHaveLength(1)
    expect(at({ mechanism: 'scram-sha-512', credentials: 'secret' })).toEqual(['sasl.credentials must be a function'])
    expect(at({ mechanism: 'oauthbearer', credentials })).not.toEqual([])
  })

  it('take a token function, and only with oauthbearer', () => {
    const token = async (): Promise<string> => 'token'
    expect(problemsOf({ brokers: ['kafka:9092'], sasl: { mechanism: 'oauthbearer', token } })).toEqual([])
    expect(problemsOf({ brokers: ['kafka:9092'], sasl: { mechanism: 'oauthbearer' } })).toHaveLength(1)
    expect(problemsOf({ brokers: ['kafka:9092'], sasl: { mechanism: 'plain', token } })).not.toEqual([])
  })
})
