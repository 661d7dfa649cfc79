import type { ConnectionOptions } from 'node:tls'
import { silentLogger } from '@posthorn/core/adapter'
import type { Logger, Transport } from '@posthorn/core/adapter'
import { beforeAll, describe, expect, it } from 'vitest'
import { clientName } from '../../../test/stack/src/index.js'
import type { TestCertificates } from '../../../test/stack/src/index.js'
import type { RabbitMqOptions } from '../src/index.js'
import { contextOf, eventually, openInbox, sendTo, subscriptionTo, uniqueDestination, within } from './broker.js'
import { ownBroker } from './support/testBroker.js'

const broker = ownBroker({ tls: { verifyPeer: true } })
const { make } = broker
let certificates: TestCertificates
let tls: ConnectionOptions

beforeAll(() => {
  if (broker.acquired.certificates === undefined) throw new Error('a fresh broker has them')
  certificates = broker.acquired.certificates
  tls = { ca: certificates.ca, ...certificates.client }
})

const plainUrl = (): string => broker.urls[0] as string
const tlsUrl = (): string => broker.acquired.tlsUrls[0] as string
/** Says nothing of a user. */
const anonymous = (url: string): string => url.replace('guest:guest@', '')

const transportTo = (url: string, options: Partial<RabbitMqOptions> = {}): Transport =>
  make({ urls: [url], ...options })

async function failureOf(transport: Transport, logger: Logger = silentLogger): Promise<Error> {
  const before = performance.now()
  const error: unknown = await transport
    .connect(contextOf(logger), [], within(60_000))
    .catch((reason: unknown) => reason)
  // Not at the deadline: nothing of this passes by itself.
  expect(performance.now() - before).toBeLessThan(20_000)
  expect(transport.health().state).toBe('idle')
  return error as Error
}

async function roundTrip(transport: Transport): Promise<void> {
  const orders = uniqueDestination()
  await transport.connect(contextOf(), [orders], within(20_000))
  const inbox = await openInbox(transport, subscriptionTo(orders))
  expect(await sendTo(transport, { destination: orders })).toEqual({ routed: true })
  ;(await inbox.next()).complete()
}

describe('RabbitMQ with TLS', () => {
  it('takes and delivers messages, by name and by address', async () => {
    await roundTrip(transportTo(tlsUrl(), { tls }))
    await roundTrip(transportTo(tlsUrl().replace('localhost', '127.0.0.1'), { tls }))
  })

  it.each([
    ['whose authority is not known to us', (): ConnectionOptions => ({ ...certificates.client }), 'tls.ca'],
    ['of another authority', (): ConnectionOptions => ({ ...tls, ca: certificates.strangerCa }), 'tls.ca'],
    ['for another host', (): ConnectionOptions => ({ ...tls, servername: 'other.example' }), 'other.example'],
    ['that wants a client certificate', (): ConnectionOptions => ({ ca: certificates.ca }), 'tls.cert'],
    [
      'that wants a client certificate in TLS 1.2',
      (): ConnectionOptions => ({ ca: certificates.ca, maxVersion: 'TLSv1.2' }),
      'tls.cert',
    ],
    [
      'that does not know the authority of ours',
      (): ConnectionOptions => ({ ca: certificates.ca, ...certificates.strangerClient }),
      'tls.cert',
    ],
    [
      'with options that are no certificates',
      (): ConnectionOptions => ({ ...tls, cert: 'no certificate' }),
      'ca, cert',
    ],
  ])('%s is refused at once, with what to do', async (_what, options, words) => {
    const error = await failureOf(transportTo(tlsUrl(), { tls: options() }))
    expect(error).toMatchObject({ code: 'POSTHORN_TLS', retryable: false })
    expect(error.message).toContain(tlsUrl().replace('guest:guest@', ''))
    expect(error.message).toContain(words)
  })

  it.each([
    ['expired', 'has expired'],
    ['wrongHost', 'elsewhere.example'],
  ] as const)(
    'that shows a certificate that is %s is refused at once, and reached when it shows a valid one',
    async (name, words) => {
      await broker.control.presentCertificate(name)
      try {
        const error = await failureOf(transportTo(tlsUrl(), { tls }))
        expect(error).toMatchObject({ code: 'POSTHORN_TLS', retryable: false })
        expect(error.message).toContain(words)
      } finally {
        await broker.control.presentCertificate('valid')
      }
      await roundTrip(transportTo(tlsUrl(), { tls }))
    },
  )

  it('that was reached before is tried again when its certificate expires meanwhile', async () => {
    const orders = uniqueDestination()
    const transport = transportTo(tlsUrl(), { tls })
    await transport.connect(contextOf(), [orders], within(20_000))
    await broker.control.presentCertificate('expired')
    try {
      await broker.control.ctl('close_all_connections', 'bye')
      await eventually(() => transport.health().reasons[0]?.what.includes('has expired') === true)
      expect(transport.health().state).toBe('connecting')
    } finally {
      await broker.control.presentCertificate('valid')
    }
    expect((await sendTo(transport, { destination: orders })).routed).toBe(false)
  })

  it('is not spoken to without TLS on that port, nor with TLS on the other one', async () => {
    const plainToTls = await failureOf(
      transportTo(tlsUrl().replace('amqps:', 'amqp:').replace('localhost', '127.0.0.1')),
    )
    expect(plainToTls).toMatchObject({ code: 'POSTHORN_TLS' })
    expect(plainToTls.message).toContain('amqps://')
    const tlsToPlain = await failureOf(transportTo(plainUrl().replace('amqp:', 'amqps:'), { tls }))
    expect(tlsToPlain).toMatchObject({ code: 'POSTHORN_TLS' })
    expect(tlsToPlain.message).toContain('does not speak TLS')
  })

  it('is reached by a node with a good certificate, when another one cannot be', async () => {
    const transport = make({ urls: [plainUrl().replace('amqp:', 'amqps:'), tlsUrl()], tls })
    await roundTrip(transport)
  })

  it('whose certificate is not to be verified is reached, with a warning', async () => {
    const warnings: object[] = []
    const logger: Logger = { ...silentLogger, warn: (facts) => void warnings.push(facts), child: () => logger }
    const transport = transportTo(tlsUrl(), { tls: { ...certificates.client, rejectUnauthorized: false } })
    await transport.connect(contextOf(logger), [], within(20_000))
    await transport.connect(contextOf(logger), [], within(20_000))
    expect(warnings).toMatchObject([{ event: 'rabbitmq.tlsUnverified' }])
  })
})

describe('RabbitMQ with EXTERNAL', () => {
  it('lets us in as the user that the certificate names, and no other', async () => {
    const unknown = await failureOf(transportTo(anonymous(tlsUrl()), { tls, credentials: 'external' }))
    expect(unknown).toMatchObject({ code: 'POSTHORN_AUTHENTICATION', retryable: false })
    await broker.control.ctl('add_user', clientName, 'never used')
    await broker.control.ctl('set_permissions', clientName, '.*', '.*', '.*')
    await roundTrip(transportTo(anonymous(tlsUrl()), { tls, credentials: 'external' }))
    const transport = transportTo(anonymous(tlsUrl()), { tls, credentials: 'external' })
    await transport.connect(contextOf(), [], within(20_000))
    expect(
      await broker.control.ctl('list_connections', '--quiet', '--no-table-headers', 'user', 'auth_mechanism'),
    ).toContain(`${clientName}\tEXTERNAL`)
  })
})

describe('credentials by a function', () => {
  it('let a user in, before and after its password has changed', { timeout: 90_000 }, async () => {
    const orders = uniqueDestination()
    let password = 'geheim-1'
    await broker.control.ctl('add_user', 'rotating', password)
    await broker.control.ctl('set_permissions', 'rotating', '.*', '.*', '.*')
    const transport = transportTo(anonymous(plainUrl()), { credentials: () => ({ username: 'rotating', password }) })
    await transport.connect(contextOf(), [orders], within(20_000))
    password = 'geheim-2'
    await broker.control.ctl('change_password', 'rotating', password)
    // The connections that are open do not mind.
    expect((await sendTo(transport, { destination: orders })).routed).toBe(false)
    expect(transport.health()).toMatchObject({ state: 'ready', reconnects: 0 })
    await broker.control.ctl('close_all_connections', 'bye')
    expect((await sendTo(transport, { destination: orders })).routed).toBe(false)
    expect(transport.health()).toMatchObject({ state: 'ready', reconnects: 1 })
  })

  it('that expire are renewed on both running connections, while messages flow', async () => {
    const orders = uniqueDestination()
    const transport = transportTo(anonymous(plainUrl()), {
      credentials: () => ({ username: 'guest', password: 'guest', expiresInMs: 300 }),
    })
    await transport.connect(contextOf(), [orders], within(20_000))
    const inbox = await openInbox(transport, subscriptionTo(orders))
    await eventually(() => (transport.health().counts?.['refreshedSecrets'] ?? 0) >= 6)
    expect(await sendTo(transport, { destination: orders })).toEqual({ routed: true })
    ;(await inbox.next()).complete()
    expect(transport.health()).toMatchObject({ state: 'ready', reconnects: 0 })
  })

  it('that are wrong end the start at once', async () => {
    const transport = transportTo(anonymous(plainUrl()), {
      credentials: () => ({ username: 'guest', password: 'geheim' }),
    })
    const error = await failureOf(transport)
    expect(error).toMatchObject({ code: 'POSTHORN_AUTHENTICATION' })
    expect(JSON.stringify(error) + error.message + String(error.stack)).not.toContain('geheim')
  })
})

describe('a broker with small frames', () => {
  it('gets no message whose headers do not fit, and every other one', async () => {
    const orders = uniqueDestination()
    await broker.control.ctl('eval', 'application:set_env(rabbit, frame_max, 8192).')
    try {
      const transport = transportTo(plainUrl())
      await transport.connect(contextOf(), [orders], within(20_000))
      const inbox = await openInbox(transport, subscriptionTo(orders))
      const send = (headerBytes: number) =>
        transport.send(
          { destination: orders },
          {
            id: 'i'.repeat(255),
            type: 't'.repeat(255),
            contentType: 'application/json',
            body: Buffer.alloc(1_000_000),
            headers: { h: 'x'.repeat(headerBytes) },
          },
          within(20_000),
        )
      await expect(send(60_000)).rejects.toMatchObject({ code: 'POSTHORN_PUBLISH_TOO_LARGE', outcome: 'notSent' })
      await expect(send(3_800)).rejects.toMatchObject({ code: 'POSTHORN_PUBLISH_TOO_LARGE', outcome: 'notSent' })
      expect(await send(3_600)).toEqual({ routed: true })
      const delivery = await inbox.next()
      expect(delivery.body?.byteLength).toBe(1_000_000)
      delivery.complete()
      expect(transport.health()).toMatchObject({ state: 'ready', reconnects: 0 })
    } finally {
      await broker.control.ctl('eval', 'application:set_env(rabbit, frame_max, 131072).')
    }
  })
})
