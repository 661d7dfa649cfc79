import { findCoordinatorV4, metadataV12 } from '@platformatic/kafka'
import { DriverError } from '../driverError.js'
import type { DriverSettings } from '../driver.js'
import { shuffled } from '../../shuffled.js'
import { openLink } from './brokerLink.js'
import type { BrokerAddress, BrokerLink } from './brokerLink.js'
import { answerIn, errorOfCode, toDriverError } from './platformaticErrors.js'

/** A partition's leader: -1 while there is none. */
export interface PartitionFacts {
  readonly leader: number
  readonly leaderEpoch: number
  /** Replicas, the leader among them. */
  readonly copies: number
}

/** A topic as the cluster told it last. */
export interface TopicFacts {
  /** Another one after the topic was deleted and made anew. */
  readonly id: string
  readonly partitions: ReadonlyMap<number, PartitionFacts>
}

/** What a link is for: a request that waits at the broker holds up the ones behind it. */
export type Lane = 'control' | 'group' | 'send' | `fetch-${number}`

/** The brokers as one purpose sees them, with connections of its own. Every promise rejects with a `DriverError`. */
export interface Cluster {
  /** Asks now. Rejects with `unknownTopic` when there is none. */
  topic(name: string): Promise<TopicFacts>
  /** As it was told last; asks when nobody knows. */
  knownTopic(name: string): Promise<TopicFacts>
  /** The next one who needs the topic asks. */
  forgetTopic(name: string): void
  topicNames(): Promise<readonly string[]>
  coordinator(groupId: string): Promise<number>
  forgetCoordinator(groupId: string): void
  /** Resolves when a broker has answered that we may ask. */
  connect(): Promise<void>
  /** To whoever can answer. */
  anyLink(): Promise<BrokerLink>
  linkTo(broker: number, lane: Lane): BrokerLink
  /** Breaks all connections and opens no new ones. */
  end(): void
}

const groupKeyType = 0

type MetadataAnswer = metadataV12.MetadataResponse
type CoordinatorAnswer = findCoordinatorV4.FindCoordinatorResponse

export function createCluster(settings: DriverSettings): Cluster {
  const seeds: readonly BrokerAddress[] = shuffled(settings.brokers).map(addressOf)
  const brokers = new Map<number, BrokerAddress>()
  const links = new Map<string, { readonly link: BrokerLink; readonly lane: Lane }>()
  /** Those too whose login is about to end, as long as something is under way on them. */
  const open = new Set<BrokerLink>()
  const topics = new Map<string, TopicFacts>()
  const asking = new Map<string, Promise<TopicFacts>>()
  const coordinators = new Map<string, number>()
  let ended = false

  function linkAt(address: BrokerAddress, lane: Lane): BrokerLink {
    if (ended) throw new DriverError({ kind: 'closed', message: 'The driver is closed', written: 'no' })
    const key = `${address.host}:${address.port}/${lane}`
    const existing = links.get(key)?.link
    if (existing !== undefined && !existing.isOver) return existing
    const link = openLink(address, settings, () => queueMicrotask(() => open.delete(link)))
    open.add(link)
    links.set(key, { link, lane })
    return link
  }

  async function anyLink(): Promise<BrokerLink> {
    let last: unknown
    for (const { link, lane } of links.values()) if (link.isOpen && !link.isOver && lane === 'control') return link
    for (const address of [...brokers.values(), ...seeds]) {
      try {
        const link = linkAt(address, 'control')
        await link.opened
        return link
      } catch (error) {
        last = error
        // Everybody would refuse us, and each refusal looks like an attack. A certificate may be wrong at one broker only.
        if (error instanceof DriverError && (error.kind === 'authentication' || error.kind === 'closed')) break
      }
    }
    throw toDriverError(last, 'Connecting')
  }

  async function metadata(names: string[] | null): Promise<MetadataAnswer> {
    const link = await anyLink()
    const answer: MetadataAnswer = await link
      .request(metadataV12.api, [names, false, false])
      .catch((error: unknown) => answerIn<MetadataAnswer>(error))
    for (const { nodeId, host, port } of answer.brokers) brokers.set(nodeId, { host, port })
    return answer
  }

  async function askFor(name: string): Promise<TopicFacts> {
    const doing = `Asking for topic ${name}`
    try {
      const answer = await metadata([name])
      const found = answer.topics.find((topic) => topic.name === name)
      if (found === undefined) throw new DriverError({ kind: 'unavailable', message: `${doing}: no answer about it` })
      if (found.errorCode !== 0) throw errorOfCode(found.errorCode, doing)
      const facts = {
        id: found.topicId,
        partitions: new Map(
          found.partitions.map(({ partitionIndex, leaderId, leaderEpoch, replicaNodes }) => [
            partitionIndex,
            { leader: leaderId, leaderEpoch, copies: replicaNodes.length },
          ]),
        ),
      }
      topics.set(name, facts)
      return facts
    } catch (error) {
      topics.delete(name)
      throw notWritten(toDriverError(error, doing))
    }
  }

  /** One question at a time is enough for everybody who has the same. */
  function topic(name: string): Promise<TopicFacts> {
    const existing = asking.get(name)
    if (existing !== undefined) return existing
    const question = askFor(name).finally(() => asking.delete(name))
    asking.set(name, question)
    return question
  }

  async function findCoordinator(groupId: string): Promise<number> {
    const doing = `Looking for the coordinator of ${groupId}`
    try {
      const link = await anyLink()
      const { coordinators: found }: CoordinatorAnswer = await link
        .request(findCoordinatorV4.api, [groupKeyType, [groupId]])
        .catch((error: unknown) => answerIn<CoordinatorAnswer>(error))
      const [coordinator] = found
      if (coordinator === undefined) throw new DriverError({ kind: 'unavailable', message: `${doing}: no answer` })
      if (coordinator.errorCode !== 0) throw errorOfCode(coordinator.errorCode, doing, coordinator.errorMessage)
      brokers.set(coordinator.nodeId, { host: coordinator.host, port: coordinator.port })
      coordinators.set(groupId, coordinator.nodeId)
      return coordinator.nodeId
    } catch (error) {
      throw toDriverError(error, doing)
    }
  }

  return {
    async connect() {
      try {
        // Without a topic: a connection alone says nothing where a login is needed and none was given.
        await metadata([])
      } catch (error) {
        throw toDriverError(error, 'Connecting')
      }
    },
    topic,
    knownTopic: async (name) => topics.get(name) ?? topic(name),
    forgetTopic: (name) => void topics.delete(name),
    async topicNames() {
      try {
        const answer = await metadata(null)
        return answer.topics.flatMap(({ name }) => (name == null ? [] : [name]))
      } catch (error) {
        throw toDriverError(error, 'Listing topics')
      }
    },
    coordinator: async (groupId) => coordinators.get(groupId) ?? findCoordinator(groupId),
    forgetCoordinator: (groupId) => void coordinators.delete(groupId),
    anyLink,
    linkTo(broker, lane) {
      const address = brokers.get(broker)
      if (address !== undefined) return linkAt(address, lane)
      throw new DriverError({ kind: 'unavailable', message: `Broker ${broker} is not known`, written: 'no' })
    },
    end() {
      ended = true
      for (const link of open) link.end()
    },
  }
}

/** Options have been checked: host:port. */
function addressOf(broker: string): BrokerAddress {
  const colon = broker.lastIndexOf(':')
  return { host: broker.slice(0, colon), port: Number(broker.slice(colon + 1)) }
}

/** Asking writes nothing. */
function notWritten({ kind, message, cause }: DriverError): DriverError {
  return new DriverError({ kind, message, written: 'no', cause })
}
