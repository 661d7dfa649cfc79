import { silentLogger, systemClock } from '@posthorn/core/adapter'
import type { Logger, Transport } from '@posthorn/core/adapter'
import { afterEach, describe, expect, it } from 'vitest'
import { createRabbitMq } from '../src/index.js'
import type { Credentials, CredentialsSource, RabbitMqOptions } from '../src/index.js'
import { close, frame, friendly, startScriptedBroker } from './scriptedBroker.js'
import type { Script, ScriptedBroker } from './scriptedBroker.js'

const brokers: ScriptedBroker[] = []
const transports: Transport[] = []
const logged: unknown[] = []

const record = ((...args: unknown[]) => logged.push(args)) as Logger['warn']
const logger: Logger = { ...silentLogger, info: record, warn: record, error: record, child: () => logger }

afterEach(async () => {
  await Promise.all(transports.splice(0).map((transport) => transport.close(after(1_000))))
  await Promise.all(brokers.splice(0).map((broker) => broker.close()))
  logged.length = 0
})

const after = (ms: number): number => systemClock.monotonic() + ms

/** Longer than any answer takes, also on a busy machine. */
const patienceMs = 30_000

/** Remembers who logged in, and the secrets that came later. */
interface Witness {
  readonly broker: ScriptedBroker
  readonly logins: string[]
  readonly secrets: string[]
}

async function witness(onSecret: (secret: string) => Buffer | undefined, script: Script = friendly): Promise<Witness> {
  const logins: string[] = []
  const secrets: string[] = []
  const broker = await startScriptedBroker((said, bytes, socket) => {
    if (said === 'startOk')
      logins.push(/\0([^\0]+)\0([^\0]+)\x05en_US/.exec(bytes.toString('latin1'))?.slice(1).join(':') ?? '')
    if (said !== 'updateSecret') return script(said, bytes, socket)
    const secret = bytes.toString('latin1', 15, 15 + bytes.readUInt32BE(11))
    secrets.push(secret)
    return onSecret(secret)
  })
  brokers.push(broker)
  return { broker, logins, secrets }
}

function transportTo(
  { url }: ScriptedBroker,
  credentials: CredentialsSource,
  options: Partial<RabbitMqOptions> = {},
): Transport {
  const reconnect = { firstMs: 1, maxMs: 5 }
  const transport = createRabbitMq({ urls: [url], credentials, connectTimeoutMs: patienceMs, reconnect, ...options })
  transports.push(transport)
  return transport
}

const connecting = (transport: Transport, ms = patienceMs): Promise<unknown> =>
  transport.connect({ logger, clock: systemClock }, [], { deadline: after(ms) }).catch((error: unknown) => error)

/** Everything that a person or a log could see. */
const seenOf = (transport: Transport, error?: unknown): string =>
  JSON.stringify([logged, transport.health(), error], (_key, value: unknown) =>
    value instanceof Error ? { ...value, message: value.message, stack: value.stack, cause: value.cause } : value,
  )

const updateOk = (): Buffer => frame('ConnectionUpdateSecretOk')

describe('a function for credentials', () => {
  it('is asked before every attempt to connect, so that a new password is used', async () => {
    let hangUps = 2
    const { broker, logins } = await witness(updateOk, (said, bytes, socket) =>
      said === 'startOk' && hangUps-- > 0 ? 'hangUp' : friendly(said, bytes, socket),
    )
    let asked = 0
    const transport = transportTo(broker, () => ({ username: 'shop', password: `geheim-${(asked += 1)}` }))
    expect(await connecting(transport)).toBeUndefined()
    expect(logins).toEqual(['shop:geheim-1', 'shop:geheim-2', 'shop:geheim-3'])
    expect(seenOf(transport)).not.toContain('geheim')
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('the vault is sealed')
      },
      'the vault is sealed',
    ],
    ['rejects', () => Promise.reject(new Error('the vault is sealed')), 'the vault is sealed'],
    ['never answers', () => new Promise<Credentials>(() => {}), 'did not answer within 300 ms'],
    ['gives another shape', () => ({ user: 'shop', password: 'geheim' }) as never, '{ username, password }'],
    ['gives nothing', () => undefined as never, '{ username, password }'],
    ['gives a life that is no time', () => ({ username: 'shop', password: 'geheim', expiresInMs: 0 }), 'expiresInMs'],
  ] as const)(
    'that %s is asked again until the deadline, and the error says so without the secret',
    async (_what, source, text) => {
      const { broker } = await witness(updateOk)
      let asked = 0
      const again: CredentialsSource = (request) => {
        asked += 1
        return (source as CredentialsSource)(request)
      }
      const transport = transportTo(broker, again, { connectTimeoutMs: 300 })
      let error: unknown
      // A busy machine may not come to a second question in the time that is plenty otherwise.
      for (let deadlineMs = 700; deadlineMs < patienceMs && asked < 2; deadlineMs *= 2) {
        asked = 0
        error = await connecting(transport, deadlineMs)
      }
      expect(error).toMatchObject({ code: 'POSTHORN_UNREACHABLE', retryable: true })
      expect((error as Error).message).toContain(text)
      expect(asked).toBeGreaterThan(1)
      expect(broker.connectionCount()).toBe(0)
      expect(seenOf(transport, error)).not.toContain('geheim')
    },
  )

  it('is told when nobody waits for its answer any more', async () => {
    const { broker } = await witness(updateOk)
    let signal: AbortSignal | undefined
    const transport = transportTo(broker, (request) => {
      signal = request.signal
      return new Promise<Credentials>(() => {})
    })
    const connected = connecting(transport)
    await expect.poll(() => signal).toBeDefined()
    await transport.close(after(1_000))
    expect(signal?.aborted).toBe(true)
    expect(await connected).toMatchObject({ code: 'POSTHORN_STOPPED' })
  })

  it('whose credentials are refused ends the attempts', async () => {
    const { broker, logins } = await witness(updateOk, (said, bytes, socket) =>
      said === 'startOk' ? close(403, 'ACCESS_REFUSED') : friendly(said, bytes, socket),
    )
    const transport = transportTo(broker, () => ({ username: 'shop', password: 'geheim' }))
    const error = await connecting(transport)
    expect(error).toMatchObject({ code: 'POSTHORN_AUTHENTICATION', retryable: false })
    expect(logins).toHaveLength(1)
    expect(seenOf(transport, error)).not.toContain('geheim')
  })
})

describe('credentials that expire', () => {
  const numbered = (expiresInMs: number | undefined, username = (_n: number) => 'shop'): CredentialsSource => {
    let asked = 0
    return () => {
      asked += 1
      const given = { username: username(asked), password: `geheim-${asked}` }
      return expiresInMs === undefined ? given : { ...given, expiresInMs }
    }
  }

  it('are renewed on the running connection before they do, again and again', async () => {
    const { broker, logins, secrets } = await witness(updateOk)
    const transport = transportTo(broker, numbered(60))
    expect(await connecting(transport)).toBeUndefined()
    await expect.poll(() => secrets.length).toBeGreaterThan(3)
    expect(secrets.slice(0, 3)).toEqual(['geheim-2', 'geheim-3', 'geheim-4'])
    expect(logins).toEqual(['shop:geheim-1'])
    expect(transport.health().counts?.['refreshedSecrets']).toBeGreaterThanOrEqual(3)
    expect(seenOf(transport)).not.toContain('geheim')
  })

  it('that do not are not asked again', async () => {
    const { broker, secrets } = await witness(updateOk)
    let asked = 0
    const transport = transportTo(broker, () => ({ username: 'shop', password: `geheim-${(asked += 1)}` }))
    await connecting(transport)
    await new Promise((resolve) => setImmediate(resolve))
    expect([asked, secrets]).toEqual([1, []])
  })

  it('are asked again until they are given', async () => {
    const { broker, secrets, logins } = await witness(updateOk)
    const give = numbered(60)
    let asked = 0
    const transport = transportTo(broker, (request) => {
      asked += 1
      if (asked > 1 && asked < 4) throw new Error('the vault is sealed')
      return give(request)
    })
    await connecting(transport)
    await expect.poll(() => secrets.length).toBeGreaterThan(0)
    expect(asked).toBeGreaterThanOrEqual(4)
    expect(logins).toHaveLength(1)
    expect(seenOf(transport)).toContain('the vault is sealed')
  })

  it.each([
    ['does not answer', (): undefined => undefined],
    ['refuses them', () => close(530, 'NOT_ALLOWED - New secret was refused by one of the backends')],
  ])('lead to a new connection when the broker %s', async (_what, onSecret) => {
    const { broker, logins } = await witness(onSecret)
    const transport = transportTo(broker, numbered(60), { connectTimeoutMs: 2_000 })
    await connecting(transport)
    await expect.poll(() => logins.length).toBeGreaterThan(2)
    expect(logins[1]).toBe('shop:geheim-3')
    expect(transport.health().reconnects).toBeGreaterThanOrEqual(1)
    expect(seenOf(transport)).not.toContain('geheim')
  })

  it('of another user lead to a new connection', async () => {
    const { broker, logins, secrets } = await witness(updateOk)
    const transport = transportTo(
      broker,
      numbered(60, (n) => `shop-${n}`),
    )
    await connecting(transport)
    await expect.poll(() => logins.length).toBeGreaterThan(1)
    expect(secrets).toEqual([])
    expect(logins.slice(0, 2)).toEqual(['shop-1:geheim-1', 'shop-3:geheim-3'])
  })

  it('wait for a broker in an alarm, which reads nothing', async () => {
    let answerLater = (): void => {}
    const { broker, logins, secrets } = await witness(
      () => undefined,
      (said, bytes, socket) => {
        if (said === 'open') {
          setTimeout(() => socket.write(frame('ConnectionBlocked', { reason: 'low on memory' })), 5)
          answerLater = () => void socket.write(Buffer.concat([frame('ConnectionUnblocked'), updateOk()]))
        }
        return friendly(said, bytes, socket)
      },
    )
    const transport = transportTo(broker, numbered(600), { connectTimeoutMs: 1_000 })
    await connecting(transport)
    await expect.poll(() => transport.health().state).toBe('blocked')
    await expect.poll(() => secrets.length).toBe(1)
    await new Promise((resolve) => setTimeout(resolve, 1_500)) // Longer than an answer may take otherwise.
    expect(logins).toHaveLength(1)
    answerLater()
    await expect.poll(() => secrets.length).toBe(2)
    expect(logins).toHaveLength(1)
  })
})
