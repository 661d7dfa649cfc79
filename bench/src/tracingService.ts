/*
 * A service in a process of its own that publishes messages to itself and handles them, for `tracing.ts`. Its arguments: the
 * transport, who it is, and its destination. It works off as many messages as its parent says, and answers what they cost.
 */
import { context, ROOT_CONTEXT } from '@opentelemetry/api'
import { createService, on, silentLogger } from '@posthorn/core'
import type { Transport } from '@posthorn/core'
import { createKafka } from '@posthorn/kafka'
import { createMemory } from '@posthorn/memory'
import { createOpenTelemetry } from '@posthorn/opentelemetry'
import { createRabbitMq } from '@posthorn/rabbitmq'
import { addressesFrom } from './addresses.js'
import { kafkaDriver } from './kafkaDriver.js'
import { slidingWindow } from './measure.js'
import { makeOrder, orderContract } from './orderEvent.js'
import { createSpansByHand } from './spansByHand.js'
import { registerSdk } from './tracingSdk.js'
import type { SliceSample, TracingContender } from './tracing.js'

const [transport, who, destination] = process.argv.slice(2) as [string, TracingContender, string]

const transports: Readonly<Record<string, { readonly width: number; readonly create: () => Transport }>> = {
  memory: { width: 256, create: () => createMemory() },
  rabbitmq: { width: 256, create: () => createRabbitMq({ urls: addressesFrom('POSTHORN_RABBITMQ_URL') }) },
  kafka: {
    width: 2_000,
    create: () => createKafka({ brokers: addressesFrom('POSTHORN_KAFKA_BROKERS'), ...kafkaDriver() }),
  },
}

const { width, create } = transports[transport]!

if (who !== 'none' && who !== 'noSdk') registerSdk({ withMetrics: who !== 'traces' })
// From its first use on, the context of Node.js costs every promise of the process something.
if (who === 'sdk') context.with(ROOT_CONTEXT.setValue(Symbol('bench'), true), () => {})

const isOurs = who !== 'none' && who !== 'sdk' && who !== 'byHand'
const service = createService({
  source: '/bench',
  logger: silentLogger,
  transport: create(),
  ...(isOurs ? { telemetry: createOpenTelemetry() } : {}),
})
const contract = orderContract(destination, { keyed: transport === 'kafka' })
let left = 0
let done = (): void => {}
const handler = (): void => {
  left -= 1
  if (left === 0) done()
}
const byHand = who === 'byHand' ? createSpansByHand(transport, destination) : undefined
const publish = (index: number): Promise<unknown> => service.publish(contract, makeOrder(index, 1_000))
const publishByHand = (index: number): Promise<unknown> =>
  byHand!.publish((headers) => service.publish(contract, makeOrder(index, 1_000), { headers }))
const registration = byHand
  ? on(contract, (_data, { headers }) => byHand.handle(headers, handler))
  : on(contract, handler)
service.consume('billing', { handlers: [registration], maxInFlight: 2 * width })
await service.start()

async function work(messages: number): Promise<SliceSample> {
  left = messages
  const handled = new Promise<void>((resolve) => (done = resolve))
  const cpu = process.cpuUsage()
  const start = performance.now()
  await slidingWindow(messages, width, byHand === undefined ? publish : publishByHand)
  await handled
  const elapsedMs = performance.now() - start
  const { user, system } = process.cpuUsage(cpu)
  return { elapsedMs, cpuMicros: user + system }
}

process.on('message', (messages: number) => void work(messages).then((sample) => process.send?.(sample)))
process.once('disconnect', () => void service.stop().finally(() => process.exit()))
process.send?.('ready')
