import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { brokerUrl, eventually, message, openInbox, sendTo, subscriptionTo } from './broker.js'
import { sharedBroker } from './support/testBroker.js'

const { destination, connected } = sharedBroker()

const mebibyte = 1_048_576
const ends: (() => void)[] = []
afterEach(() => ends.splice(0).forEach((end) => end()))

interface SlowLink {
  readonly url: string
  /** What it takes of clients in a second; 0 is nothing. Brokers answer as fast as ever. */
  bytesPerSecond: number
}

/** A link to the broker that takes no more than so much. */
async function slowLink(): Promise<SlowLink> {
  const broker = new URL(brokerUrl())
  const { hostname, port } = broker
  const link = { url: '', bytesPerSecond: Infinity }
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname)
    upstream.pipe(client)
    for (const socket of [client, upstream]) {
      socket.on('error', () => {})
      ends.push(() => socket.destroy())
    }
    client.on('close', () => upstream.destroy())
    carry(client, upstream, link)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  ends.push(() => server.close())
  broker.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  link.url = broker.href
  return link
}

const stepMs = 50

function carry(client: Socket, upstream: Socket, link: SlowLink): void {
  let budget = 0
  const timer = setInterval(() => {
    budget = Math.min(0, budget) + (link.bytesPerSecond / 1_000) * stepMs
    if (budget > 0) client.resume()
  }, stepMs)
  client.on('data', (chunk: Buffer) => {
    upstream.write(chunk)
    budget -= chunk.length
    if (budget <= 0) client.pause()
  })
  client.on('close', () => clearInterval(timer))
}

it('a large message may take as long as its link needs for it, and its neighbours arrive', async () => {
  const orders = destination()
  const link = await slowLink()
  const publisher = await connected([orders], { urls: [link.url] })
  const inbox = await openInbox(await connected(), subscriptionTo(orders), (delivery) => delivery.complete())
  link.bytesPerSecond = mebibyte
  const started = Date.now()
  const large = sendTo(publisher, { destination: orders }, message({ id: 'large', body: Buffer.alloc(16 * mebibyte) }))
  const small = sendTo(publisher, { destination: orders }, message({ id: 'small' }))
  expect(await Promise.all([large, small])).toEqual([{ routed: true }, { routed: true }])
  // Else the link was too fast to show anything.
  expect(Date.now() - started).toBeGreaterThan(12_500)
  await eventually(() => inbox.all.length === 2)
  expect(publisher.health()).toMatchObject({ reconnects: 0, counts: { silences: 0, resent: 0 } })
})

it('a link that takes nothing any more is given up, in the middle of a message', async () => {
  const orders = destination()
  const link = await slowLink()
  const publisher = await connected([orders], { urls: [link.url] })
  link.bytesPerSecond = mebibyte
  const body = Buffer.alloc(16 * mebibyte)
  const large = sendTo(publisher, { destination: orders }, message({ body })).catch((error: unknown) => error)
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  link.bytesPerSecond = 0
  await eventually(() => publisher.health().counts?.['silences'] === 1)
  link.bytesPerSecond = Infinity
  expect(await large).toMatchObject({ code: 'POSTHORN_PUBLISH_CONNECTION_LOST', outcome: 'unknown' })
  expect(await sendTo(publisher, { destination: orders })).toEqual({ routed: false })
})
