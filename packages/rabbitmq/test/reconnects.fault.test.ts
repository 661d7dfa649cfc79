import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import {
  eventually,
  message,
  openInbox,
  sendTo,
  subscriptionTo,
  uniqueDestination,
  withChannel,
  within,
} from './broker.js'
import { ownBroker } from './support/testBroker.js'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const broker = ownBroker()
const { connected } = broker

const numbers = async (...command: string[]): Promise<string[]> =>
  (await broker.control.ctl(...command, '--quiet', '--no-table-headers')).split('\n').filter((line) => line !== '')

/** What must not grow with the number of reconnects. */
interface Footprint {
  readonly sockets: number
  readonly timers: number
  readonly listeners: number
  readonly heapBytes: number
}

function footprint(): Footprint {
  collectGarbage()
  const resources = process.getActiveResourcesInfo()
  const count = (name: string): number => resources.filter((resource) => resource === name).length
  const listeners = process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0)
  return {
    sockets: count('TCPSocketWrap'),
    timers: count('Timeout'),
    listeners,
    heapBytes: process.memoryUsage().heapUsed,
  }
}

/** Once it stays the same for a while: the last connection may still be on its way out, and the next one on its way in. */
async function steadyFootprint(): Promise<Footprint> {
  let last = footprint()
  let sameCount = 0
  await eventually(async () => {
    await new Promise((resolve) => setTimeout(resolve, 100))
    const next = footprint()
    sameCount = next.sockets === last.sockets && next.timers <= last.timers ? sameCount + 1 : 0
    last = next
    return sameCount >= 3
  })
  return last
}

describe('connections to RabbitMQ that break again and again', () => {
  it('leave nothing behind after 200 times, and lose nothing', { timeout: 240_000 }, async () => {
    const orders = uniqueDestination()
    const warnings: Error[] = []
    const onWarning = (warning: Error): void => void warnings.push(warning)
    process.on('warning', onWarning)
    const transport = await connected([orders], { reconnect: { firstMs: 1, maxMs: 20 } })
    // Only what is open is remembered, so that the test itself does not grow.
    const confirmed = new Set<string>()
    const early = new Set<string>()
    let confirmedCount = 0
    await transport.subscribe(
      subscriptionTo(orders),
      (deliveries) => {
        for (const delivery of deliveries) {
          if (!confirmed.delete(delivery.id as string)) early.add(delivery.id as string)
          delivery.complete()
        }
      },
      within(20_000),
    )
    let count = 0
    let isOver = false
    const publishing = (async () => {
      while (!isOver) {
        const id = `m-${(count += 1)}`
        const isConfirmed = await sendTo(transport, { destination: orders }, message({ id })).then(
          () => true,
          () => false,
        )
        if (!isConfirmed) continue
        confirmedCount += 1
        if (!early.delete(id)) confirmed.add(id)
      }
    })()
    const reconnects = (): number => transport.health().reconnects
    // The broker itself closes: two connections each time.
    const breakUntil = async (times: number): Promise<void> => {
      while (reconnects() < times) {
        const rounds =
          '[begin rabbit_networking:close_all_connections("test"), timer:sleep(150) end || _ <- lists:seq(1, 15)].'
        await broker.control.ctl('eval', rounds)
        await eventually(() => transport.health().state === 'ready')
      }
    }
    await breakUntil(20)
    const before = await steadyFootprint()
    await breakUntil(200)
    const afterwards = await steadyFootprint()
    isOver = true
    await publishing
    await eventually(() => confirmed.size === 0)
    process.off('warning', onWarning)
    expect(warnings).toEqual([])
    expect(confirmedCount).toBeGreaterThan(200)
    expect([afterwards.sockets, afterwards.listeners]).toEqual([before.sockets, before.listeners])
    // One publish and its wait may be under way.
    expect(afterwards.timers).toBeLessThanOrEqual(before.timers + 3)
    // 180 leaked connections would be more than that.
    expect(afterwards.heapBytes - before.heapBytes).toBeLessThan(8 * 1024 * 1024)
    await eventually(async () => (await numbers('list_connections', 'pid')).length === 2)
    await eventually(async () => (await numbers('list_channels', 'pid')).length === 2)
    // A moment after each reconnect there are two: one that begins with a single message, and the one that takes over.
    const hasOneConsumer = (queues: readonly string[]): boolean => queues.includes(`${orders}.billing\t1`)
    await eventually(async () => hasOneConsumer(await numbers('list_queues', 'name', 'consumers')))
  })

  it('of a broker that restarts get their consumers back each time', { timeout: 240_000 }, async () => {
    const orders = uniqueDestination()
    const transport = await connected([orders], { reconnect: { firstMs: 10, maxMs: 200 } })
    const inbox = await openInbox(transport, subscriptionTo(orders), (delivery) => delivery.complete())
    await broker.control.syncDeclarations()
    for (let round = 0; round < 3; round += 1) {
      await broker.control.restart()
      await eventually(() => transport.health().state === 'ready', 60_000)
      const queues = await numbers('list_queues', 'name', 'consumers')
      expect(queues).toContain(`${orders}.billing\t1`)
      await sendTo(transport, { destination: orders }, message({ id: `m-${round}` }))
      await eventually(() => inbox.all.some(({ id }) => id === `m-${round}`))
    }
  })
})

describe('a queue of RabbitMQ that is deleted', () => {
  it('while its deliveries are being handled costs nobody the rest, and the late answers do nothing', async () => {
    const orders = uniqueDestination()
    const transport = await connected([orders])
    const inbox = await openInbox(transport, subscriptionTo(orders, { maxInFlight: 10 }))
    await Promise.all(Array.from({ length: 10 }, () => sendTo(transport, { destination: orders })))
    await eventually(() => inbox.all.length === 10)
    const [url] = broker.urls
    await withChannel((channel) => channel.deleteQueue(`${orders}.billing`), url)
    await eventually(() => transport.health().counts?.['resubscribed'] === 1)
    for (const delivery of inbox.all.slice(0, 10)) delivery.complete()
    for (let n = 0; n < 20; n += 1) await sendTo(transport, { destination: orders }, message({ id: `after-${n}` }))
    for (let n = 0; n < 20; n += 1) {
      await eventually(() => inbox.all.some(({ id }) => id === `after-${n}`))
      inbox.all.find(({ id }) => id === `after-${n}`)?.complete()
    }
    expect(transport.health().counts).toMatchObject({ cancelled: 1, staleSettlements: 10, channelFailures: 0 })
  })

  it('again and again is declared again each time, with growing waits', async () => {
    const orders = uniqueDestination()
    const transport = await connected([orders], { reconnect: { firstMs: 10, maxMs: 100 } })
    const inbox = await openInbox(transport, subscriptionTo(orders), (delivery) => delivery.complete())
    const [url] = broker.urls
    for (let round = 1; round <= 10; round += 1) {
      await withChannel((channel) => channel.deleteQueue(`${orders}.billing`), url)
      await eventually(() => transport.health().counts?.['resubscribed'] === round)
    }
    await sendTo(transport, { destination: orders }, message({ id: 'last' }))
    await eventually(() => inbox.all.some(({ id }) => id === 'last'))
  })
})
