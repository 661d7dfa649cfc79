import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createService, defineEvent, on } from '@posthorn/core'
import type { EventContract, Service } from '@posthorn/core'
import { silentLogger } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { createRabbitMq } from '../src/index.js'
import { brokerUrl, eventually } from './broker.js'
import { sharedBroker } from './support/testBroker.js'

const program = fileURLToPath(new URL('support/crashingConsumer.mjs', import.meta.url))
const rungs = [300]
const { destination, stopping } = sharedBroker({ rungs })

type Placed = EventContract<{ readonly orderId: string }>

function contractOf(): Placed {
  return defineEvent({
    type: 'com.example.placed.v1',
    destination: destination(),
    schema: { type: 'object', required: ['orderId'], properties: { orderId: { type: 'string' } } },
  })
}

function serviceOf(contract: Placed): Service {
  const transport = createRabbitMq({ urls: [brokerUrl()] })
  return stopping(createService({ source: '/test', transport, publishes: [contract], logger: silentLogger }))
}

/** Runs a consumer of the group that ends itself with SIGKILL when it has met a message. */
async function crashOnce(contract: Placed, crash: 'inHandler' | 'afterRetry' | 'afterDeadLetter'): Promise<void> {
  const env = {
    ...process.env,
    POSTHORN_TEST_URL: brokerUrl(),
    POSTHORN_TEST_DESTINATION: contract.destination,
    POSTHORN_TEST_CRASH: crash,
    LOG_LEVEL: 'silent',
  }
  const child = spawn(process.execPath, [program], { env, stdio: ['ignore', 'inherit', 'inherit'] })
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  expect({ code, signal }).toEqual({ code: null, signal: 'SIGKILL' })
}

interface Seen {
  readonly id: string
  readonly attempt: number
}

/** Consumes what the crashed process left. */
async function survivor(contract: Placed, seen: Seen[]): Promise<Service> {
  const service = serviceOf(contract)
  service.consume('billing', {
    handlers: [on(contract, ({ envelope }, { attempt }) => void seen.push({ id: envelope.id, attempt }))],
    retry: { delaysMs: rungs },
  })
  await service.start()
  return service
}

/** Makes the group's queues, as a deployment before the crash did. */
async function prepared(contract: Placed): Promise<Service> {
  const before = await survivor(contract, [])
  await before.stop()
  const publisher = serviceOf(contract)
  await publisher.start()
  return publisher
}

describe('a consumer that is killed', () => {
  it('in the middle of its handler leaves the message for the next one', async () => {
    const contract = contractOf()
    const publisher = await prepared(contract)
    const { id } = await publisher.publish(contract, { orderId: 'o-1' })
    await crashOnce(contract, 'inHandler')
    const seen: Seen[] = []
    await survivor(contract, seen)
    await eventually(() => seen.length > 0)
    expect(seen).toEqual([{ id, attempt: 1 }])
  })

  it('between the confirmation of a retry and the end of its original leaves both, with one id, and loses nothing', async () => {
    const contract = contractOf()
    const publisher = await prepared(contract)
    const { id } = await publisher.publish(contract, { orderId: 'o-1' })
    await crashOnce(contract, 'afterRetry')
    const seen: Seen[] = []
    await survivor(contract, seen)
    await eventually(() => seen.length === 2)
    expect(seen.toSorted((left, right) => left.attempt - right.attempt)).toEqual([
      { id, attempt: 1 },
      { id, attempt: 2 },
    ])
  })

  it('between the confirmation of a dead letter and the end of its original leaves both, with one id', async () => {
    const contract = contractOf()
    const publisher = await prepared(contract)
    const { id } = await publisher.publish(contract, { orderId: 'o-1' })
    await crashOnce(contract, 'afterDeadLetter')
    const seen: Seen[] = []
    await survivor(contract, seen)
    const dead: (string | undefined)[] = []
    const reader = serviceOf(contract)
    reader.readDeadLetters({ destination: contract.destination, group: 'billing' }, ({ envelope }) => {
      dead.push(envelope?.id)
    })
    await reader.start()
    await eventually(() => seen.length > 0 && dead.length > 0)
    expect({ seen, dead }).toEqual({ seen: [{ id, attempt: 1 }], dead: [id] })
  })
})
