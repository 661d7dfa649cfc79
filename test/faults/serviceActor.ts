import { createService } from '@posthorn/core'
import type { Transport } from '@posthorn/core'
import { createKafka } from '@posthorn/kafka'
import { createRabbitMq } from '@posthorn/rabbitmq'
import { allLies, lyingTransport } from '@posthorn/testing'
import { stopMs } from './actor.js'
import type { Actor, Notes } from './actor.js'
import { addConsumers } from './childConsumer.js'
import type { ChildConfig } from './childLink.js'
import { createPublishing, maxUnconfirmed, publishDeadlineMs } from './childPublisher.js'
import { addReaders } from './childReader.js'
import { errand, step, work } from './traffic.js'

/** A service with the public API, as a team would write it, that talks to its broker directly. */
export function createServiceActor(config: ChildConfig, notes: Notes): Actor {
  const { role, name, flows } = config
  const service = createService({
    source: `/faults/${name}`,
    transport: transportOf(config),
    deadlineMs: publishDeadlineMs,
    maxUnconfirmed,
    ...(role === 'publisher' ? { publishes: [step, work, errand] } : {}),
  })
  if (role === 'consumer') addConsumers(service, flows, notes)
  if (role === 'reader') addReaders(service, flows, notes)
  return {
    start: () => service.start({ ifUnavailable: 'wait' }),
    stop: () => service.stop({ deadlineMs: stopMs }),
    state() {
      const { ready, publisher } = service.health()
      return { ready, unconfirmed: publisher.unconfirmed }
    },
    ...(role === 'publisher' ? { publishing: createPublishing(service, { ...config, ...notes }) } : {}),
  }
}

/** The adapter of a process, which lies where it is told to. */
export function transportOf({ transport, name, lie }: ChildConfig): Transport {
  const honest =
    transport.kind === 'rabbitmq'
      ? createRabbitMq({ ...transport.options, clientName: name })
      : createKafka({ ...transport.options, clientId: name })
  const told = allLies.find((known) => known === lie)
  return told === undefined ? honest : lyingTransport(honest, told)
}
