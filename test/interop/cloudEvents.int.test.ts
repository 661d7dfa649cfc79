import { binaryMode, structuredMode } from '@posthorn/core'
import type { GetMessage, Options } from 'amqplib'
import { CloudEvent, HTTP } from 'cloudevents'
import { describe, expect, test } from 'vitest'
import { headersAsText, sdkOrder, sdkOrderRead, validated } from './cloudEventsSdk.js'
import { interopRabbit } from './interopRabbit.js'
import {
  everyAttribute,
  everyAttributeAsText,
  everyAttributeRead,
  orderType,
  startReader,
  startWriter,
} from './orders.js'
import { bindQueue, withChannel } from './rabbit.js'
import { toHttp } from './toHttp.js'

/*
 * The package knows no AMQP: an application passes its binding for HTTP the body, and the properties in the form of HTTP
 * headers. It compares content types to the letter, and writes them in lower case.
 */
const { url, transport, newDestination, queues } = interopRabbit()

async function readOne(queue: string): Promise<GetMessage> {
  const read = await withChannel(url(), (channel) => channel.get(queue, { noAck: true }))
  if (read === false) throw new Error(`${queue} is empty`)
  return read
}

function publish(destination: string, body: unknown, options: Options.Publish): Promise<void> {
  return withChannel(url(), async (channel) => {
    channel.publish(destination, orderType, Buffer.from(body as string), options)
  })
}

describe('the package cloudevents reads what a service publishes', () => {
  test('in structured mode, with every attribute, and finds it valid', async () => {
    const destination = newDestination()
    const { service, contract } = await startWriter(transport(), destination, structuredMode())
    queues.push(await bindQueue(url(), destination))
    await service.publish(contract, { orderId: 'ö-1' }, everyAttribute)
    const event = HTTP.toEvent(toHttp(await readOne(`${destination}-foreign`)))
    expect(validated(event)).toEqual({ ...everyAttributeRead, data: { orderId: 'ö-1' } })
    await service.stop()
  })

  test('in binary mode, with every attribute as text, and finds it valid', async () => {
    const destination = newDestination()
    const { service, contract } = await startWriter(transport(), destination, binaryMode())
    queues.push(await bindQueue(url(), destination))
    await service.publish(contract, { orderId: 'ö-1' }, everyAttribute)
    const event = HTTP.toEvent(toHttp(await readOne(`${destination}-foreign`)))
    expect(validated(event)).toEqual({
      ...everyAttributeAsText,
      datacontenttype: 'application/json',
      data: { orderId: 'ö-1' },
    })
    await service.stop()
  })

  test('what a service says of itself without being asked is valid too', async () => {
    const destination = newDestination()
    const { service, contract } = await startWriter(transport(), destination)
    queues.push(await bindQueue(url(), destination))
    const { id } = await service.publish(contract, { orderId: 'o-1' })
    const { content } = await readOne(`${destination}-foreign`)
    expect(new CloudEvent(JSON.parse(content.toString('utf8')) as object, true).validate()).toBe(true)
    expect(JSON.parse(content.toString('utf8'))).toMatchObject({ id, specversion: '1.0', source: '/interop/writer' })
    await service.stop()
  })
})

describe('a service handles what the package cloudevents makes', () => {
  test('in structured mode', async () => {
    const destination = newDestination()
    const reader = await startReader({ transport: transport(), destination })
    const { headers, body } = HTTP.structured(sdkOrder())
    await publish(destination, body, { contentType: String(headers['content-type']) })
    await reader.ended(1)
    expect(reader.deadLetters).toEqual([])
    expect(reader.events).toEqual([sdkOrderRead])
    await reader.stop()
  })

  test('in binary mode, whose attributes are text', async () => {
    const destination = newDestination()
    const reader = await startReader({ transport: transport(), destination })
    const { headers, body } = HTTP.binary(sdkOrder())
    const { 'content-type': contentType = '', ...attributes } = headersAsText(headers)
    await publish(destination, body, { contentType, headers: attributes })
    await reader.ended(1)
    expect(reader.deadLetters).toEqual([])
    expect(reader.events).toEqual([{ ...sdkOrderRead, weight: '3', sampled: 'true' }])
    await reader.stop()
  })

  test('bytes as data_base64: JSON is decoded, and what is no JSON stays base64', async () => {
    const destination = newDestination()
    const reader = await startReader({ transport: transport(), destination, consumer: { validation: 'off' } })
    const bytes = { json: Buffer.from('{"orderId":"o-1"}'), octets: Buffer.from([0x00, 0xff, 0x80]) }
    const make = (id: string, datacontenttype: string, data: Buffer): CloudEvent<Uint8Array> =>
      new CloudEvent<Uint8Array>({
        id,
        source: '/sdk',
        type: orderType,
        datacontenttype,
        data: new Uint8Array(data),
      })
    for (const event of [
      make('json', 'application/json', bytes.json),
      make('octets', 'application/octet-stream', bytes.octets),
    ]) {
      const { headers, body } = HTTP.structured(event)
      await publish(destination, body, { contentType: String(headers['content-type']) })
    }
    await reader.ended(2)
    expect(reader.deadLetters).toEqual([])
    const byId = Object.fromEntries(reader.events.map((event) => [event.id, event]))
    expect(byId['json']).toMatchObject({ data: { orderId: 'o-1' } })
    expect(byId['octets']).toMatchObject({ data_base64: bytes.octets.toString('base64') })
    expect(byId['octets']!.data).toBeUndefined()
    await reader.stop()
  })
})
