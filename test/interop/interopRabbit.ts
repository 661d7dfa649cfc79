import { createRabbitMq } from '@posthorn/rabbitmq'
import type { RabbitMqOptions, RabbitMqTransport } from '@posthorn/rabbitmq'
import { afterAll, beforeAll } from 'vitest'
import { acquireRabbitMq } from '../stack/src/index.js'
import type { RabbitMq } from '../stack/src/index.js'
import { uniqueDestination } from './orders.js'
import { discard } from './rabbit.js'

/** The broker of the tests of a file, and what they use there; gone after the last of them. */
export interface InteropRabbit {
  url(): string
  transport(options?: Partial<RabbitMqOptions>): RabbitMqTransport
  newDestination(prefix?: string): string
  /** Queues beside those of the readers' group that are removed in the end. */
  readonly queues: string[]
}

/** Of the newest RabbitMQ: the only one that speaks to all of those clients. */
export function interopRabbit(): InteropRabbit {
  let rabbit: RabbitMq | undefined
  const destinations: string[] = []
  const queues: string[] = []
  const urls = (): readonly string[] => {
    if (rabbit === undefined) throw new Error('the broker is there when the first test begins')
    return rabbit.urls
  }
  const url = (): string => urls()[0] as string

  beforeAll(async () => {
    rabbit = await acquireRabbitMq({ version: '4.3' })
  })
  afterAll(async () => {
    if (rabbit === undefined) return
    await discard(url(), { destinations, queues })
    await rabbit.release()
  })

  return {
    url,
    transport: (options = {}) => createRabbitMq({ urls: urls(), ...options }),
    newDestination(prefix = '') {
      const destination = prefix + uniqueDestination()
      destinations.push(destination)
      return destination
    },
    queues,
  }
}
