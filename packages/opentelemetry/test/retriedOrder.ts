import { context, trace } from '@opentelemetry/api'
import { createService, on, silentLogger } from '@posthorn/core'
import type { Transport } from '@posthorn/core'
import { createOpenTelemetry } from '@posthorn/opentelemetry'
import type { OpenTelemetryOptions } from '@posthorn/opentelemetry'
import { expect } from 'vitest'
import { unconnected } from './connection.js'
import { orderContract } from './oneOrder.js'
import { createSdk } from './sdk.js'
import type { ReadableSpan, Sdk } from './sdk.js'

/** What was seen of an order whose handler failed twice, and that a reader of dead letters took. */
export interface SeenRetry {
  readonly sdk: Sdk
  readonly origin: ReadableSpan
  readonly attempts: readonly number[]
  /** Spans that do not lead back to the publish. */
  readonly unconnected: readonly string[]
}

export async function seeRetriedOrder(
  transport: Transport,
  destination: string,
  options: OpenTelemetryOptions = {},
): Promise<SeenRetry> {
  const sdk = createSdk()
  const orderPlaced = orderContract(destination)
  const telemetry = createOpenTelemetry({ ...sdk.providers, ...options })
  const of = { source: '/shop/checkout', logger: silentLogger, telemetry }
  const service = createService({ ...of, transport, publishes: [orderPlaced] })
  const attempts: number[] = []
  service.consume('billing', {
    retry: { delaysMs: [10] },
    handlers: [
      on(orderPlaced, (_, { attempt }) => {
        attempts.push(attempt)
        throw new RangeError('a message that quotes the customer')
      }),
    ],
  })
  const dead = new Promise<void>((resolve) => {
    service.readDeadLetters({ destination, group: 'billing' }, () => resolve())
  })
  await service.start()
  const origin = sdk.providers.tracerProvider.getTracer('test').startSpan('POST /orders')
  await context.with(trace.setSpan(context.active(), origin), () =>
    service.publish(orderPlaced, { orderId: 'o-1', note: 'n' }),
  )
  origin.end()
  await dead
  await expect.poll(() => sdk.spans('settle').length).toBe(3)
  await service.stop()
  const originSpan = sdk.spans().find(({ name }) => name === 'POST /orders')!
  return { sdk, origin: originSpan, attempts, unconnected: unconnected(sdk.spans(), originSpan) }
}
