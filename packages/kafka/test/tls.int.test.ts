import type { ConnectionOptions } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { acquireKafka, kafkaUsers } from '../../../test/stack/src/index.js'
import type { Kafka, KafkaControl, TestCertificates } from '../../../test/stack/src/index.js'
import { eventually, send, uniqueName, wireMessage } from './support/broker.js'
import { createSecureBench, roundTrip, secret } from './support/secure.js'

let broker: Kafka
let control: KafkaControl
let certificates: TestCertificates
let tls: ConnectionOptions
const bench = createSecureBench()

beforeAll(async () => {
  broker = await acquireKafka({ fresh: true, tls: { verifyPeer: true }, sasl: { mechanisms: ['PLAIN'] } })
  if (broker.control === undefined || broker.certificates === undefined) throw new Error('a fresh broker has both')
  control = broker.control
  certificates = broker.certificates
  tls = { ca: certificates.ca, ...certificates.client }
}, 120_000)
afterAll(() => broker.release())
afterEach(() => bench.close())

const byName = (): string[] => broker.listeners.tls
const byAddress = (addresses: readonly string[]): string[] =>
  addresses.map((address) => address.replace('localhost', '127.0.0.1'))

describe('Kafka with TLS', () => {
  it('takes and delivers messages, by name and by address', async () => {
    await roundTrip(await bench.connected({ brokers: byName(), tls }))
    await roundTrip(await bench.connected({ brokers: byAddress(byName()), tls }))
  })

  it.each([
    ['whose authority is not known to us', (): ConnectionOptions => ({ ...certificates.client }), 'tls.ca'],
    ['of another authority', (): ConnectionOptions => ({ ...tls, ca: certificates.strangerCa }), 'tls.ca'],
    ['for another host', (): ConnectionOptions => ({ ...tls, servername: 'other.example' }), 'other.example'],
    [
      'that wants a client certificate',
      (): ConnectionOptions => ({ ca: certificates.ca }),
      'wants a client certificate',
    ],
    [
      'that wants a client certificate in TLS 1.2',
      (): ConnectionOptions => ({ ca: certificates.ca, maxVersion: 'TLSv1.2' }),
      'wants a client certificate',
    ],
    [
      'that does not know the authority of ours',
      (): ConnectionOptions => ({ ca: certificates.ca, ...certificates.strangerClient }),
      'tls.cert',
    ],
    ['with options that are no certificates', (): ConnectionOptions => ({ ...tls, cert: 'nothing' }), 'ca, cert'],
  ])('%s is refused at once, with what to do', async (_what, options, words) => {
    const error = await bench.failureOf({ brokers: byName(), tls: options() })
    expect(error).toMatchObject({ code: 'POSTHORN_TLS', retryable: false })
    expect(error.message).toContain(byName()[0])
    expect(error.message).toContain(words)
  })

  it.each([
    ['expired', 'has expired'],
    ['wrongHost', 'elsewhere.example'],
  ] as const)(
    'that shows a certificate that is %s is refused at once, and reached when it shows a valid one',
    async (name, words) => {
      await control.presentCertificate(name)
      try {
        const error = await bench.failureOf({ brokers: byName(), tls })
        expect(error).toMatchObject({ code: 'POSTHORN_TLS', retryable: false })
        expect(error.message).toContain(words)
      } finally {
        await control.presentCertificate('valid')
      }
      await bench.connected({ brokers: byName(), tls })
    },
  )

  it(
    'that was reached before is tried again when its certificate expires meanwhile',
    { timeout: 120_000 },
    async () => {
      const orders = uniqueName('expiring')
      const transport = await bench.connected({ brokers: byName(), tls }, [orders])
      await send(transport, orders, wireMessage({ id: 'before' }))
      await control.presentCertificate('expired')
      await control.restart()
      const sent = send(transport, orders, wireMessage({ id: 'during' }), 60_000)
      try {
        await eventually(
          () => Promise.resolve(transport.health()),
          ({ state, reasons: [reason] }) => state === 'connecting' && reason?.what.includes('has expired') === true,
        )
      } finally {
        await control.presentCertificate('valid')
      }
      await sent
      await eventually(
        () => Promise.resolve(transport.health()),
        ({ state }) => state === 'ready',
      )
    },
  )

  it('is not spoken to without TLS on that port, nor with TLS on the other one', async () => {
    const plainToTls = await bench.failureOf({ brokers: byName() })
    expect(plainToTls).toMatchObject({ code: 'POSTHORN_TLS' })
    expect(plainToTls.message).toContain('Set the option tls')
    const tlsToPlain = await bench.failureOf({ brokers: broker.brokers, tls })
    expect(tlsToPlain).toMatchObject({ code: 'POSTHORN_TLS' })
    expect(tlsToPlain.message).toContain('does not speak TLS')
  })

  it('is reached by a broker with a good certificate, when another address is wrong', async () => {
    for (let round = 0; round < 4; round += 1) {
      await bench.connected({ brokers: [broker.brokers[0]!, byName()[0]!], tls })
    }
  })

  it('whose certificate is not to be verified is reached, with a warning', async () => {
    const options = { ...certificates.client, rejectUnauthorized: false }
    await bench.connected({ brokers: byName(), tls: options })
    expect(bench.logged.filter((line) => line.includes('kafka.tlsUnverified'))).toHaveLength(1)
  })
})

describe('Kafka with TLS and logins', () => {
  const sasl = { mechanism: 'plain', ...kafkaUsers.admin } as const

  it('takes and delivers messages', async () => {
    await roundTrip(await bench.connected({ brokers: broker.listeners.saslTls, tls, sasl }))
  })

  it('says so when we do not log in', async () => {
    const error = await bench.failureOf({ brokers: broker.listeners.saslTls, tls })
    expect(error).toMatchObject({ code: 'POSTHORN_AUTHENTICATION', retryable: false })
    expect(error.message).toContain('PLAIN')
  })

  it.each(['scram-sha-256', 'scram-sha-512'] as const)(
    'refuses the mechanism %s, which it does not have, at once',
    async (mechanism) => {
      const wrong = { mechanism, username: 'admin', password: secret }
      const error = await bench.failureOf({ brokers: broker.listeners.saslTls, tls, sasl: wrong })
      expect(error).toMatchObject({ code: 'POSTHORN_AUTHENTICATION', retryable: false })
    },
  )
})
