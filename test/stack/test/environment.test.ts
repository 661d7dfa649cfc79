import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { environmentOf, exportLines } from '../src/environment.js'
import { describeInstance } from './fixtures.js'

describe('the variables that name servers', () => {
  it('give one address, or those of all nodes of a cluster', () => {
    const instances = [
      describeInstance('rabbitmq', [{ amqp: 1001 }]),
      describeInstance('kafka-cluster', [{ broker: 2001 }, { broker: 2002 }, { broker: 2003 }]),
      describeInstance('postgres', [{ sql: 3001 }]),
    ]
    expect(environmentOf(instances)).toEqual({
      POSTHORN_RABBITMQ_URL: 'amqp://guest:guest@127.0.0.1:1001',
      POSTHORN_KAFKA_BROKERS: '127.0.0.1:2001,127.0.0.1:2002,127.0.0.1:2003',
      POSTHORN_POSTGRES_URL: 'postgres://postgres@127.0.0.1:3001/postgres',
    })
  })

  it('name the last started of one kind', () => {
    const instances = [
      describeInstance('rabbitmq@4.0', [{ amqp: 1001 }]),
      describeInstance('rabbitmq@4.3', [{ amqp: 1002 }]),
    ]
    expect(environmentOf(instances)).toEqual({ POSTHORN_RABBITMQ_URL: 'amqp://guest:guest@127.0.0.1:1002' })
  })

  it('survive a shell, whatever is in them', () => {
    const value = `a'b "c" $HOME \`id\` \\ & ;`
    const script = `${exportLines({ POSTHORN_TEST: value })}printf %s "$POSTHORN_TEST"`
    expect(execFileSync('sh', ['-c', script]).toString()).toBe(value)
  })
})
