import type { Actor, Notes } from '../actor.js'
import type { ChildConfig } from '../childLink.js'
import { createServiceActor } from '../serviceActor.js'
import { createInboxActor } from './inboxActor.js'
import { createRelayActor } from './relayActor.js'
import { createWriterActor } from './writerActor.js'

/** A process of a run with an outbox. */
export function createOutboxActor(config: ChildConfig, notes: Notes): Actor {
  switch (config.role) {
    case 'publisher':
      return createWriterActor(config, notes)
    case 'relay':
      return createRelayActor(config)
    case 'consumer':
      return createInboxActor(config, notes)
    case 'reader':
      return createServiceActor(config, notes)
  }
}
