import { spawn } from 'node:child_process'
import { createService, on, silentLogger } from '@posthorn/core'
import type { DeadLetter, Service } from '@posthorn/core'
import { describe, expect, it } from 'vitest'
import { createRabbitMq } from '../src/index.js'
import {
  after,
  brokerUrl,
  brokerVersion,
  contextOf,
  eventually,
  openInbox,
  sendTo,
  subscriptionTo,
  withChannel,
  within,
} from './broker.js'
import { childContract } from './support/consumerProcess.js'
import { sharedBroker } from './support/testBroker.js'

const { destination: destinationOfTest, stopping } = sharedBroker({ rungs: [500, 1_000, 4_000] })

function serviceOf(): Service {
  const transport = createRabbitMq({ urls: [brokerUrl()] })
  return stopping(createService({ source: '/test', transport, logger: silentLogger }))
}

/** A group whose messages say in their data what their handler does; notes when each was handled. */
async function failingGroup(delaysMs: readonly number[]): Promise<{
  readonly service: Service
  readonly destination: string
  readonly publish: (kind: string, id: string) => Promise<unknown>
  readonly handled: { id: string; attempt: number; at: number }[]
  readonly failed: Map<string, number>
  readonly deadLetters: DeadLetter[]
}> {
  const destination = destinationOfTest()
  const contract = childContract(destination)
  const service = serviceOf()
  const handled: { id: string; attempt: number; at: number }[] = []
  const failed = new Map<string, number>()
  service.consume('billing', {
    handlers: [
      on(contract, ({ envelope, data }, { attempt }) => {
        const wish = Number(data.kind)
        if (data.kind === 'never' || (attempt === 1 && wish > 0)) {
          failed.set(envelope.id, Date.now())
          throw Object.assign(new Error('not now'), wish > 0 ? { retryAfterMs: wish } : {})
        }
        handled.push({ id: envelope.id, attempt, at: Date.now() })
      }),
    ],
    retry: { delaysMs },
  })
  await service.start()
  const publish = (kind: string, id: string): Promise<unknown> => service.publish(contract, { kind }, { id })
  return { service, destination, publish, handled, failed, deadLetters: [] }
}

const stuck = (service: Service): number => service.health().consumers[0]?.stuck ?? 0

describe('retries on RabbitMQ', () => {
  it('with a short wait pass those with a long one, and none comes early', async () => {
    const { publish, handled, failed } = await failingGroup([1_000, 4_000])
    for (let n = 0; n < 50; n += 1) await publish('4000', `long-${n}`)
    for (let n = 0; n < 50; n += 1) await publish('1000', `short-${n}`)
    await eventually(() => handled.length === 100)
    const order = handled.map(({ id }) => id.split('-')[0])
    expect(order).toEqual([...Array<string>(50).fill('short'), ...Array<string>(50).fill('long')])
    for (const { id, at, attempt } of handled) {
      expect(attempt).toBe(2)
      expect(at - (failed.get(id) ?? Infinity)).toBeGreaterThanOrEqual(id.startsWith('long') ? 3_995 : 995)
    }
  })

  it('whose rung was deleted wait with their originals until it is declared again, by us', async () => {
    const { service, destination, publish, handled } = await failingGroup([500])
    await withChannel((channel) => channel.deleteQueue(`${destination}.billing.retry.500`))
    await publish('500', 'm-1')
    await eventually(() => handled.length === 1)
    expect(handled[0]).toMatchObject({ id: 'm-1', attempt: 2 })
    await eventually(() => service.health().transport.counts?.['repaired'] === 1)
    expect(stuck(service)).toBe(0)
  })
})

describe('a message that was given back', () => {
  it('says how often it was handed out before, from RabbitMQ 4.3 on', async () => {
    const destination = destinationOfTest()
    const transport = createRabbitMq({ urls: [brokerUrl()] })
    await transport.connect(contextOf(), [destination], within(20_000))
    const inbox = await openInbox(transport, subscriptionTo(destination))
    await sendTo(transport, { destination })
    ;(await inbox.next()).release()
    const again = await inbox.next()
    const isNew = (await brokerVersion()) === '4.3'
    expect(again.headers['x-acquired-count']).toBe(isNew ? '1' : undefined)
    expect(again.brokerRedeliveries).toBe(isNew ? 0 : 1)
    await transport.close(after(5_000))
  })
})

describe('dead letters on RabbitMQ', () => {
  it('whose queue is full leave their originals where they are, and go when there is room', async () => {
    const { service, destination, publish, handled } = await failingGroup([])
    const dead = `${destination}.billing.dead`
    // The queue of an operator who limits it. Ours has no limit.
    await withChannel(async (channel) => {
      await channel.deleteQueue(dead)
      await channel.assertQueue(dead, { arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' } })
    })
    for (let n = 0; n < 5; n += 1) await publish('never', `never-${n}`)
    await eventually(() => stuck(service) > 0)
    await publish('ok', 'good') // Others flow meanwhile.
    await eventually(() => handled.length === 1)
    const ids = new Set<unknown>()
    await eventually(async () => {
      await withChannel(async (channel) => {
        const found = await channel.get(dead, { noAck: true })
        if (found !== false) ids.add(found.properties.messageId)
      })
      return ids.size === 5
    }, 60_000)
    expect(ids).toEqual(new Set(['never-0', 'never-1', 'never-2', 'never-3', 'never-4']))
    await eventually(() => stuck(service) === 0)
    expect(service.health().consumers[0]).toMatchObject({ deadLettered: 5, inFlight: 0 })
  })

  it('whose queue was deleted come into the one that we declare again', async () => {
    const { service, destination, publish } = await failingGroup([])
    const dead = `${destination}.billing.dead`
    await withChannel((channel) => channel.deleteQueue(dead))
    for (let n = 0; n < 20; n += 1) await publish('never', `never-${n}`)
    await eventually(() => service.health().consumers[0]?.deadLettered === 20)
    expect((await withChannel((channel) => channel.checkQueue(dead))).messageCount).toBe(20)
    expect(service.health().transport.counts).toMatchObject({ repaired: 1 })
  })
})

describe('a process that is killed between a confirmed copy and the answer to its original', () => {
  it('leaves both, with one id', async () => {
    const destination = destinationOfTest()
    const service = serviceOf()
    const deadLetters: DeadLetter[] = []
    service.readDeadLetters({ destination, group: 'billing' }, (letter) => void deadLetters.push(letter))
    const contract = childContract(destination)
    const script = new URL('./support/killedBeforeAnswer.mjs', import.meta.url).pathname
    const runChild = (kills: boolean): Promise<string> =>
      new Promise((resolve) => {
        const args = [script, JSON.stringify({ url: brokerUrl(), destination, kills })]
        spawn(process.execPath, args, { stdio: 'inherit' }).on('close', (code, signal) =>
          resolve(String(signal ?? code)),
        )
      })
    await service.start()
    // Declares, finds nothing, ends.
    expect(await runChild(false)).toBe('0')
    await service.publish(contract, { kind: 'never' }, { id: 'm-1' })
    expect(await runChild(true)).toBe('SIGKILL')
    await eventually(() => deadLetters.length === 1)
    expect(await runChild(false)).toBe('0')
    await eventually(() => deadLetters.length === 2)
    expect(deadLetters.map(({ envelope }) => envelope?.id)).toEqual(['m-1', 'm-1'])
  })
})
