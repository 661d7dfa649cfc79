import { context, trace } from '@opentelemetry/api'
import { createService, defineEvent, on, silentLogger } from '@posthorn/core'
import type { HandlerContext, Transport } from '@posthorn/core'
import type { EventContract } from '@posthorn/core'
import { createOpenTelemetry } from '@posthorn/opentelemetry'
import type { OpenTelemetryOptions } from '@posthorn/opentelemetry'
import { expect } from 'vitest'
import { createSdk } from './sdk.js'
import type { ReadableSpan, Sdk } from './sdk.js'

/** The data of the messages: nothing of it may ever be seen. */
export interface Order {
  readonly orderId: string
  readonly note: string
}

/** Stands in all data and keys; tests look for it in everything that an SDK was given. */
export const secret = 's3cret-of-a-customer'

export function orderContract(destination: string): EventContract<Order> {
  return defineEvent.typed<Order>()({
    type: 'com.example.shop.order.placed.v1',
    destination,
    schema: {
      type: 'object',
      required: ['orderId', 'note'],
      properties: { orderId: { type: 'string' }, note: { type: 'string' } },
    },
    partitionKey: (order) => `${secret}-${order.orderId}`,
  })
}

/** What was seen of one order that was published under a span of its own, handled, and completed. */
export interface SeenOrder {
  readonly sdk: Sdk
  readonly id: string
  /** The span that was active at the publish. */
  readonly origin: ReadableSpan
  readonly headers: Readonly<Record<string, string>>
  readonly traceparentExtension: unknown
  /** The span that was active within the handler. */
  readonly activeSpanId: string | undefined
}

/** Lets an order go through a transport; `group` is `billing`. */
export async function seeOneOrder(
  transport: Transport,
  destination: string,
  options: OpenTelemetryOptions = {},
): Promise<SeenOrder> {
  const sdk = createSdk()
  const orderPlaced = orderContract(destination)
  const telemetry = createOpenTelemetry({ ...sdk.providers, ...options })
  const of = { source: '/shop/checkout', logger: silentLogger, telemetry }
  const service = createService({ ...of, transport, publishes: [orderPlaced] })
  let seen: { context: HandlerContext; extension: unknown; active: string | undefined } | undefined
  service.consume('billing', {
    retry: { delaysMs: [] },
    handlers: [
      on(orderPlaced, ({ envelope }, handlerContext) => {
        const active = trace.getActiveSpan()?.spanContext().spanId
        seen = { context: handlerContext, extension: envelope['traceparent'], active }
      }),
    ],
  })
  await service.start()
  const origin = sdk.providers.tracerProvider.getTracer('test').startSpan('POST /orders')
  const { id } = await context.with(trace.setSpan(context.active(), origin), () =>
    service.publish(orderPlaced, { orderId: 'o-1', note: secret }, { correlationId: 'c-1' }),
  )
  origin.end()
  await expect.poll(() => sdk.spans('settle').length).toBeGreaterThan(0)
  await service.stop()
  const originSpan = sdk.spans().find(({ name }) => name === 'POST /orders')
  return {
    sdk,
    id,
    origin: originSpan!,
    headers: seen!.context.headers,
    traceparentExtension: seen!.extension,
    activeSpanId: seen!.active,
  }
}
