import { connect } from 'node:tls'
import type { PeerCertificate } from 'node:tls'
import { expect, it } from 'vitest'
import { acquireKafka, acquireRabbitMq } from '../src/index.js'

/** What the server at an address shows, whether we trust it or not. */
const shownBy = (url: string): Promise<PeerCertificate> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url)
    const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate())
      socket.destroy()
    })
    socket.on('error', reject)
  })

it('a RabbitMQ with TLS shows the certificate that it is told to', { timeout: 120_000 }, async () => {
  await using rabbit = await acquireRabbitMq({ fresh: true, tls: {} })
  const [url = ''] = rabbit.tlsUrls
  expect((await shownBy(url)).subjectaltname).toContain('DNS:localhost')
  await rabbit.control?.presentCertificate('wrongHost')
  expect((await shownBy(url)).subjectaltname).toBe('DNS:elsewhere.example')
  await rabbit.control?.presentCertificate('expired')
  expect(Date.parse((await shownBy(url)).valid_to)).toBeLessThan(Date.now())
  expect(rabbit.certificates?.ca).toContain('BEGIN CERTIFICATE')
})

it(
  'a Kafka with TLS and SASL shows the certificate that it is told to, on both listeners',
  { timeout: 120_000 },
  async () => {
    await using kafka = await acquireKafka({ fresh: true, tls: {}, sasl: {} })
    const urls = [...kafka.listeners.tls, ...kafka.listeners.saslTls].map((address) => `kafka://${address}`)
    expect(urls).toHaveLength(2)
    for (const url of urls) expect((await shownBy(url)).subjectaltname).toContain('DNS:localhost')
    await kafka.control?.presentCertificate('wrongHost')
    for (const url of urls) expect((await shownBy(url)).subjectaltname).toBe('DNS:elsewhere.example')
    await kafka.control?.presentCertificate('expired')
    for (const url of urls) expect(Date.parse((await shownBy(url)).valid_to)).toBeLessThan(Date.now())
    expect(kafka.certificates?.ca).toContain('BEGIN CERTIFICATE')
  },
)

it('a Kafka that others use has neither TLS nor logins', async () => {
  await expect(acquireKafka({ tls: {} })).rejects.toThrow('fresh')
  await expect(acquireKafka({ sasl: {} })).rejects.toThrow('fresh')
})

it('a RabbitMQ that others use has no TLS', async () => {
  await expect(acquireRabbitMq({ tls: {} })).rejects.toThrow('fresh')
})
