import { plainJson } from '@posthorn/core'
import type { RabbitMqTransport } from '@posthorn/rabbitmq'
import { describe, expect, test } from 'vitest'
import { interopRabbit } from './interopRabbit.js'
import { adoptText, orderType, startReader, startWriter } from './orders.js'
import { pikaPublish, pikaRead, runScript, startScript } from './pika.js'
import { group } from './rabbit.js'

/* The queue `hello` of the tutorials, a classic one that pika declares, reached over the default exchange. */
const { url, transport, newDestination, queues } = interopRabbit()

/** A destination on the default exchange stands for the queue of its name. */
const transportTo = (queue: string): RabbitMqTransport =>
  transport({ topology: { destinations: { [queue]: { exchange: '' } } } })

function newQueue(): string {
  const queue = newDestination('hello-')
  queues.push(queue)
  return queue
}

const wireFormat = plainJson({
  attributes: (data) => ({ id: (data as { orderId: string }).orderId, source: '/tutorial', type: orderType }),
})

describe('the queue hello of the tutorials', () => {
  test('a service handles what pika sends there', async () => {
    const queue = newQueue()
    await runScript('hello_send.py', [url(), queue, 'Hello World!'])
    const reader = await startReader({
      transport: transportTo(queue),
      destination: queue,
      consumer: { foreign: adoptText },
    })
    await runScript('hello_send.py', [url(), queue, 'Hello \u{1f40d}!'])
    await reader.ended(2)
    expect(reader.events.map(({ data }) => data?.orderId)).toEqual(['Hello World!', 'Hello \u{1f40d}!'])
    await reader.stop()
  })

  test('pika receives what a service publishes there', async () => {
    const queue = newQueue()
    const python = await startScript('hello_receive.py', [url(), queue])
    await python.printed(1)
    const { service, contract } = await startWriter(transportTo(queue), queue, wireFormat)
    expect(await service.publish(contract, { orderId: 'Hello World!' })).toMatchObject({ routed: true })
    expect(await python.lines).toEqual(['waiting', '{"orderId":"Hello World!"}'])
    await service.stop()
  })

  test('a failed message comes back to it, and one that is damaged is read by pika among the dead letters', async () => {
    const queue = newQueue()
    await runScript('hello_send.py', [url(), queue, '{"orderId":"o-1"}'])
    const attempts: number[] = []
    const reader = await startReader({
      transport: transportTo(queue),
      destination: queue,
      wireFormat,
      keepDeadLetters: true,
      consumer: {
        middleware: [
          (call, next) => {
            attempts.push(call.context.attempt)
            if (call.context.attempt < 3) throw new Error('not yet')
            return next()
          },
        ],
      },
    })
    await reader.ended(1)
    expect(attempts).toEqual([1, 2, 3])
    const body = Buffer.from('{"orderId": "o-')
    await pikaPublish(url(), { exchange: '', routingKey: queue, body })
    const [letter] = await pikaRead(url(), `${queue}.${group}.dead`, 1)
    expect(letter).toMatchObject({ body, headers: { 'posthorn-reason': 'undecodable' } })
    await reader.stop()
  })
})
