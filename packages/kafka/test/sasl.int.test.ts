import { silentLogger, systemClock } from '@posthorn/core/adapter'
import kafkajs from 'kafkajs'
import type { AclEntry } from 'kafkajs'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { acquireKafka, kafkaUsers, unsecuredToken } from '../../../test/stack/src/index.js'
import type { Kafka, KafkaControl } from '../../../test/stack/src/index.js'
import type { KafkaSasl } from '../src/options.js'
import { collect, eventually, inMs, send, subscriptionTo, uniqueName, wireMessage } from './support/broker.js'
import { createSecureBench, roundTrip, secret } from './support/secure.js'

let broker: Kafka
let control: KafkaControl
const bench = createSecureBench()
const passwordMechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const

beforeAll(async () => {
  // kafkajs renews a login 10 s before its end: every two seconds here.
  broker = await acquireKafka({ fresh: true, sasl: { maxReauthMs: 12_000 } })
  if (broker.control === undefined) throw new Error('a fresh broker has one')
  control = broker.control
}, 120_000)
afterAll(() => broker.release())
afterEach(() => bench.close())

const withLogin = (sasl: KafkaSasl) => ({ brokers: broker.listeners.sasl, sasl })
const admin = kafkaUsers.admin

describe('a login', () => {
  it.each(passwordMechanisms)('with %s lets us in with the right password only', async (mechanism) => {
    await roundTrip(await bench.connected(withLogin({ mechanism, ...admin })))
    for (const username of [admin.username, 'nobody', 'no=bo,dy']) {
      const error = await bench.failureOf(withLogin({ mechanism, username, password: secret }))
      expect(error).toMatchObject({ code: 'POSTHORN_AUTHENTICATION', retryable: false })
      expect(error.message).toContain(broker.listeners.sasl[0])
    }
  })

  it('with OAUTHBEARER lets us in with a good token only', async () => {
    const token = () => unsecuredToken(admin.username, 60_000)
    await roundTrip(await bench.connected(withLogin({ mechanism: 'oauthbearer', token })))
    for (const bad of [unsecuredToken(admin.username, -120_000), secret]) {
      const error = await bench.failureOf(withLogin({ mechanism: 'oauthbearer', token: () => bad }))
      expect(error).toMatchObject({ code: 'POSTHORN_AUTHENTICATION', retryable: false })
    }
  })

  it('that the broker wants and does not get is asked for', async () => {
    const error = await bench.failureOf({ brokers: broker.listeners.sasl })
    expect(error).toMatchObject({ code: 'POSTHORN_AUTHENTICATION', retryable: false })
    expect(error.message).toContain('SCRAM-SHA-256')
  })

  it('at a broker that wants none is refused at once', async () => {
    const error = await bench.failureOf({ ...withLogin({ mechanism: 'plain', ...admin }), brokers: broker.brokers })
    expect(error).toMatchObject({ code: 'POSTHORN_AUTHENTICATION', retryable: false })
  })

  it.each([
    ['rejects', () => Promise.reject(new Error('no token today'))],
    [
      'throws',
      () => {
        throw new Error('no token today')
      },
    ],
    ['hangs', () => new Promise<string>(() => {})],
    ['gives nothing', () => Promise.resolve(undefined as unknown as string)],
    ['gives what is no token', () => Promise.resolve(`${secret} and more`)],
  ])('whose function %s ends at the deadline, and says whose fault it is', async (_what, token) => {
    const options = { ...withLogin({ mechanism: 'oauthbearer', token }), connectTimeoutMs: 300 }
    const error = await bench.failureOf(options, 2_000)
    expect(error).toMatchObject({ code: 'POSTHORN_UNREACHABLE', retryable: true })
    expect(error.message).toContain('sasl.token')
  })

  it('whose function fails at first is tried again', async () => {
    let calls = 0
    const credentials = () => {
      calls += 1
      if (calls < 4) throw new Error('the vault is sealed')
      return admin
    }
    await bench.connected(withLogin({ mechanism: 'scram-sha-256', credentials }))
    expect(calls).toBeGreaterThanOrEqual(4)
  })
})

describe('a login that the broker ends after a while', () => {
  it.each([
    [
      'a password',
      (asked: () => void): KafkaSasl => ({ mechanism: 'scram-sha-512', credentials: () => (asked(), admin) }),
    ],
    [
      'a token',
      (asked: () => void): KafkaSasl => ({
        mechanism: 'oauthbearer',
        token: () => (asked(), unsecuredToken('admin', 12_000)),
      }),
    ],
  ])(
    'with %s is renewed on the running connections, while messages flow',
    { timeout: 90_000 },
    async (_what, saslOf) => {
      let askedCount = 0
      const transport = await bench.connected(withLogin(saslOf(() => (askedCount += 1))))
      const orders = uniqueName('renewed')
      const collected = await collect(transport, { subscription: subscriptionTo(orders) })
      const before = askedCount
      const refusedBefore = refusedLogins()
      let sent = 0
      while (askedCount < before + 6) {
        await send(transport, orders, wireMessage({ id: `m-${sent}` }))
        sent += 1
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      await collected.until(({ texts }) => new Set(texts).size === sent)
      expect(transport.health()).toMatchObject({ state: 'ready', reconnects: 0 })
      expect(refusedLogins()).toBe(refusedBefore)
    },
  )
})

/** Refused logins that the broker has logged. */
const refusedLogins = (): number => control.log().split('Failed authentication').length - 1

describe('a password that is changed', () => {
  it(
    'too early is an outage without a storm, and everything goes on with the new one',
    { timeout: 180_000 },
    async () => {
      let password = 'rotating-1'
      await changePassword('rotating', password)
      await allow('rotating')
      const credentials = () => ({ username: 'rotating', password })
      const transport = await bench.connected(withLogin({ mechanism: 'scram-sha-256', credentials }))
      const orders = uniqueName('rotated')
      const collected = await collect(transport, { subscription: subscriptionTo(orders, { rungsMs: [1_000] }) })
      await send(transport, orders, wireMessage({ id: 'before' }))
      await changePassword('rotating', 'rotating-2')
      // Every connection is refused when its login is renewed.
      await eventually(
        () => Promise.resolve(transport.health()),
        ({ state }) => state === 'connecting',
      )
      const sent = send(transport, orders, wireMessage({ id: 'during' }), 90_000)
      const refusedBefore = refusedLogins()
      // Three consumers and two lanes knock, each ever more slowly.
      await new Promise((resolve) => setTimeout(resolve, 5_000))
      expect(refusedLogins() - refusedBefore).toBeLessThan(25)
      password = 'rotating-2'
      await sent
      await collected.until(({ texts }) => texts.includes('during'), 60_000)
      await eventually(
        () => Promise.resolve(transport.health()),
        ({ state }) => state === 'ready',
      )
    },
  )
})

describe('a user without rights', () => {
  const limited = () => withLogin({ mechanism: 'plain', ...kafkaUsers.limited })

  it(
    'is told at the start what is missing, and publishes and consumes when it has the rights',
    { timeout: 120_000 },
    async () => {
      const orders = uniqueName('forbidden')
      const transport = await bench.connected(limited())
      const publishing = transport.connect({ logger: silentLogger, clock: systemClock }, [orders], {
        deadline: inMs(20_000),
      })
      await expect(publishing).rejects.toMatchObject({ code: 'POSTHORN_AUTHENTICATION', retryable: false })
      const subscribing = collect(transport, { subscription: subscriptionTo(orders) })
      await expect(subscribing).rejects.toMatchObject({ code: 'POSTHORN_AUTHENTICATION', retryable: false })
      await expect(send(transport, orders, wireMessage({ id: 'm-1' }))).rejects.toMatchObject({
        code: 'POSTHORN_PUBLISH_REFUSED',
        outcome: 'notSent',
        retryable: false,
      })
      await allow(kafkaUsers.limited.username)
      const collected = await collect(transport, { subscription: subscriptionTo(orders) })
      await send(transport, orders, wireMessage({ id: 'm-2' }))
      await collected.until(({ texts }) => texts.includes('m-2'))
    },
  )
})

/** Lets a user do everything with topics and groups, by somebody who may. */
async function allow(username: string): Promise<void> {
  const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs
  const entry = (resourceType: number): AclEntry => ({
    resourceType,
    resourceName: '*',
    resourcePatternType: ResourcePatternTypes.LITERAL,
    principal: `User:${username}`,
    host: '*',
    operation: AclOperationTypes.ALL,
    permissionType: AclPermissionTypes.ALLOW,
  })
  const client = new kafkajs.Kafka({ brokers: broker.brokers, logLevel: kafkajs.logLevel.NOTHING }).admin()
  await client.connect()
  await client.createAcls({ acl: [entry(AclResourceTypes.TOPIC), entry(AclResourceTypes.GROUP)] })
  await client.disconnect()
}

async function changePassword(username: string, password: string): Promise<void> {
  const where = ['--bootstrap-server', broker.brokers[0]!]
  const whose = ['--entity-type', 'users', '--entity-name', username]
  const change = ['--alter', '--add-config', `SCRAM-SHA-256=[password=${password}]`]
  const result = await control.tool('kafka.admin.ConfigCommand', [...where, ...whose, ...change])
  expect(result).toMatchObject({ code: 0 })
}
