import { CloudEvent } from 'cloudevents'
import type { CloudEventV1 } from 'cloudevents'
import { orderType } from './orders.js'
import type { Order } from './orders.js'

/** The attributes of an event without what the package sets to undefined or adds for itself. */
export function plain(event: CloudEventV1<unknown> | CloudEventV1<unknown>[]): Record<string, unknown> {
  const { ...fields } = event as CloudEventV1<unknown>
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

/** Reads strictly: the package's own bindings do not validate what they read. */
export function validated(event: CloudEventV1<unknown> | CloudEventV1<unknown>[]): Record<string, unknown> {
  const one = new CloudEvent(plain(event) as Partial<CloudEventV1<unknown>>, true)
  one.validate()
  return plain(one)
}

/** Headers as a broker takes them: the package gives numbers, booleans and undefined too. */
export function headersAsText(headers: object): Record<string, string> {
  const given = Object.entries(headers).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given.map(([name, value]) => [name.toLowerCase(), String(value)]))
}

/** An event with every attribute, made and validated by the package. */
export function sdkOrder(): CloudEvent<Order> {
  return new CloudEvent<Order>({
    id: 'sdk-1',
    source: '/sdk',
    type: orderType,
    time: '2026-02-03T04:05:06.789Z',
    subject: 'order ö-1',
    datacontenttype: 'application/json',
    dataschema: 'https://example.com/schemas/order',
    data: { orderId: 'ö-1' },
    partitionkey: 'o-1',
    correlationid: 'c-1',
    tenant: 'blue',
    weight: 3,
    sampled: true,
  })
}

/** How a service has to see it, in structured mode. */
export const sdkOrderRead: Readonly<Record<string, unknown>> = {
  specversion: '1.0',
  id: 'sdk-1',
  source: '/sdk',
  type: orderType,
  time: '2026-02-03T04:05:06.789Z',
  subject: 'order ö-1',
  datacontenttype: 'application/json',
  dataschema: 'https://example.com/schemas/order',
  data: { orderId: 'ö-1' },
  partitionkey: 'o-1',
  correlationid: 'c-1',
  tenant: 'blue',
  weight: 3,
  sampled: true,
}
