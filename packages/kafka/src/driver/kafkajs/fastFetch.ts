import type { Kafka } from 'kafkajs'
import type { Logger } from '@posthorn/core/adapter'
import { createHeaderMemory } from './fetchedRecords.js'
import { fetchVersion, readFetchResponse } from './fetchResponse.js'
import { watchClusters, watchPools } from './kafkajsInternals.js'

const fetchKey = 1

/** As far as it is used here. */
interface Protocol {
  readonly request: { readonly apiKey: number; readonly apiVersion: number }
  readonly response: { readonly decode: (payload: Buffer) => Promise<unknown> }
}

/**
 * Lets answers to fetches be read by us, past kafkajs' decoder, for every consumer that the client makes from now on. What
 * is not as we know it is read by kafkajs, as without this: each answer is read completely before any of it counts.
 */
export function createFastFetch(kafka: Kafka, logger: Logger): void {
  const memory = createHeaderMemory()

  function read(plain: Protocol['response']): Protocol['response'] {
    return {
      ...plain,
      async decode(payload) {
        try {
          return await readFetchResponse(payload, memory)
        } catch (err) {
          logger.debug({ event: 'kafka.fetch.plain', err }, 'The answer to a fetch is left to kafkajs')
          return plain.decode(payload)
        }
      },
    }
  }

  watchClusters(kafka, (cluster) =>
    watchPools(cluster, (candidate) => {
      if (!isPool(candidate)) return
      const pool = candidate
      const send = pool.send
      pool.send = (protocol) => {
        const { request, response } = protocol
        const isOurs = request.apiKey === fetchKey && request.apiVersion === fetchVersion
        return send.call(pool, isOurs ? { ...protocol, response: read(response) } : protocol)
      }
    }),
  )
}

interface Pool {
  send: (protocol: Protocol) => Promise<unknown>
}

function isPool(value: unknown): value is Pool {
  return typeof (value as Partial<Pool> | null)?.send === 'function'
}
