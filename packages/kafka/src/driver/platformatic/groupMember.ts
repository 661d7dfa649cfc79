import {
  describeGroupsV5,
  heartbeatV4,
  joinGroupV9,
  leaveGroupV5,
  offsetCommitV8,
  syncGroupV5,
} from '@platformatic/kafka'
import type { API } from '@platformatic/kafka'
import { DriverError } from '../driverError.js'
import type { ConsumerOptions, DriverSettings, OffsetToCommit } from '../driver.js'
import type { BrokerLink } from './brokerLink.js'
import type { Cluster } from './cluster.js'
import {
  assign,
  assignerName,
  readAssignment,
  readSubscription,
  writeAssignment,
  writeSubscription,
} from './groupProtocol.js'
import type { MemberFacts } from './groupProtocol.js'
import { answerIn, errorOfCode, toDriverError } from './platformaticErrors.js'

/** What a generation gave us. */
export interface Joined {
  readonly partitions: readonly number[]
  /** To the leader, who looks after their number: how many partitions the members share. */
  readonly sharedCount: number | undefined
}

/** How a generation stands after a heartbeat. */
export type Beat =
  /** It goes on. */
  | 'alive'
  /** It ends: what is done can still be committed, and then everybody joins again. */
  | 'rebalancing'
  /** It went on without us. */
  | 'lost'

/** By Kafka's numbers: https://kafka.apache.org/protocol#protocol_error_codes */
const code = {
  coordinatorLoading: 14,
  coordinatorNotAvailable: 15,
  notCoordinator: 16,
  illegalGeneration: 22,
  unknownMember: 25,
  rebalanceInProgress: 27,
  memberIdRequired: 79,
} as const

const coordinatorMoved: ReadonlySet<number> = new Set([
  code.coordinatorLoading,
  code.coordinatorNotAvailable,
  code.notCoordinator,
])
const protocolType = 'consumer'

interface Membership {
  readonly generation: number
  readonly memberId: string
}

/** What the leader tells the coordinator of one generation. */
interface Shared {
  readonly shares: { memberId: string; assignment: Buffer }[]
  /** How many partitions the topic had. */
  readonly count: number
}

type JoinAnswer = joinGroupV9.JoinGroupResponse

/** One member of a group of Kafka's classic protocol: outside → joining → member of a generation → joining … → left. */
export class GroupMember {
  readonly #cluster: Cluster
  readonly #options: ConsumerOptions
  readonly #settings: DriverSettings
  readonly #commits = new Set<Promise<unknown>>()
  #memberId = ''
  #membership: Membership | undefined

  constructor(cluster: Cluster, options: ConsumerOptions, settings: DriverSettings) {
    this.#cluster = cluster
    this.#options = options
    this.#settings = settings
  }

  /** Resolves with the assignment of the next generation. Commits that are under way reach the coordinator before. */
  async join(): Promise<Joined> {
    await Promise.all(this.#commits)
    this.#membership = undefined
    for (;;) {
      const answer = await this.#joinOnce()
      if (answer.errorCode === code.memberIdRequired) this.#memberId = answer.memberId ?? ''
      else if (answer.errorCode === code.unknownMember) this.#memberId = ''
      else if (answer.errorCode === 0) {
        this.#memberId = answer.memberId ?? ''
        const joined = await this.#sync(answer)
        if (joined !== undefined) return joined
      } else if (answer.errorCode !== code.rebalanceInProgress) throw this.#refused(answer.errorCode, 'Joining')
    }
  }

  async heartbeat(): Promise<Beat> {
    const membership = this.#membership
    if (membership === undefined) return 'lost'
    const { groupId, groupInstanceId = null } = this.#options
    const { generation, memberId } = membership
    const { errorCode } = await this.#ask(heartbeatV4.api, [groupId, generation, memberId, groupInstanceId])
    if (errorCode === 0) return 'alive'
    if (errorCode === code.rebalanceInProgress) return 'rebalancing'
    if (errorCode === code.unknownMember || errorCode === code.illegalGeneration) return 'lost'
    throw this.#refused(errorCode, 'Heartbeat')
  }

  /** With the generation of this moment, whatever it is when the request leaves. */
  commit(offsets: readonly OffsetToCommit[]): Promise<void> {
    const membership = this.#membership
    if (membership === undefined) {
      const message = `${this.#options.groupId} has no generation at the moment`
      return Promise.reject(new DriverError({ kind: 'membership', message }))
    }
    const commit = this.#commit(offsets, membership)
    const settled: Promise<unknown> = commit.catch(() => {}).finally(() => this.#commits.delete(settled))
    this.#commits.add(settled)
    return commit
  }

  /** A static member stays: its next process takes its place without a rebalance. */
  async leave(): Promise<void> {
    await Promise.all(this.#commits)
    const { groupId, groupInstanceId } = this.#options
    const memberId = this.#memberId
    this.#membership = undefined
    if (memberId === '' || groupInstanceId !== undefined) return
    // Not behind a request to join, which the coordinator may hold back for long.
    const link = this.#cluster.linkTo(await this.#cluster.coordinator(groupId), 'control')
    await link.request(leaveGroupV5.api, [groupId, [{ memberId, groupInstanceId: null, reason: null }]])
  }

  #joinOnce(): Promise<JoinAnswer> {
    const { topic, groupId, sessionTimeoutMs, rebalanceTimeoutMs, groupInstanceId = null } = this.#options
    const protocols = [{ name: assignerName, metadata: writeSubscription([topic]) }]
    // The coordinator answers when everybody is back, or was waited for in vain.
    const timeoutMs = Math.max(sessionTimeoutMs, rebalanceTimeoutMs) + this.#settings.requestTimeoutMs
    return this.#ask(
      joinGroupV9.api,
      [groupId, sessionTimeoutMs, rebalanceTimeoutMs, this.#memberId, groupInstanceId, protocolType, protocols, null],
      timeoutMs,
    )
  }

  /** Undefined when the generation is over before it began. */
  async #sync({ generationId, leader, members, skipAssignment }: JoinAnswer): Promise<Joined | undefined> {
    const { topic, groupId, groupInstanceId = null } = this.#options
    const memberId = this.#memberId
    const isLeader = leader === memberId
    const shared = isLeader && !skipAssignment ? await this.#share(members) : undefined
    const answer = await this.#ask(syncGroupV5.api, [
      groupId,
      generationId,
      memberId,
      groupInstanceId,
      protocolType,
      assignerName,
      shared?.shares ?? [],
    ])
    if (answer.errorCode === code.unknownMember) this.#memberId = ''
    else if (answer.errorCode === 0) {
      this.#membership = { generation: generationId, memberId }
      // A static leader that is back keeps the shares of before (KIP-814), whatever the topic has become meanwhile.
      const sharedCount = isLeader ? (shared?.count ?? (await this.#countShared())) : undefined
      return { partitions: readAssignment(answer.assignment).get(topic) ?? [], sharedCount }
    } else if (answer.errorCode !== code.rebalanceInProgress && answer.errorCode !== code.illegalGeneration) {
      throw this.#refused(answer.errorCode, 'Joining')
    }
    return undefined
  }

  async #share(members: JoinAnswer['members']): Promise<Shared> {
    const facts: MemberFacts[] = members.map(({ memberId, groupInstanceId, metadata }) => ({
      memberId,
      instanceId: groupInstanceId ?? null,
      topics: metadata === null ? [] : readSubscription(metadata),
    }))
    const counts = new Map<string, number>()
    for (const topic of new Set(facts.flatMap(({ topics }) => topics))) {
      counts.set(topic, (await this.#cluster.topic(topic)).partitions.size)
    }
    const shares = [...assign(facts, counts)].map(([memberId, share]) => ({
      memberId,
      assignment: writeAssignment(share),
    }))
    return { shares, count: counts.get(this.#options.topic) ?? 0 }
  }

  /** None in a generation that is over already: the next one comes anyway. */
  async #countShared(): Promise<number> {
    const { topic, groupId } = this.#options
    const { groups } = await this.#ask(describeGroupsV5.api, [[groupId], false])
    const [told] = groups
    if (told === undefined || told.errorCode !== 0) throw this.#refused(told?.errorCode ?? -1, 'Joining')
    const partitions = told.members.flatMap(({ memberAssignment }) => readAssignment(memberAssignment).get(topic) ?? [])
    return new Set(partitions).size
  }

  async #commit(offsets: readonly OffsetToCommit[], { generation, memberId }: Membership): Promise<void> {
    const { topic, groupId, groupInstanceId = null } = this.#options
    const partitions = offsets.map(({ partition, offset, metadata }) => ({
      partitionIndex: partition,
      committedOffset: BigInt(offset),
      committedLeaderEpoch: -1,
      committedMetadata: metadata,
    }))
    const answer = await this.#ask(offsetCommitV8.api, [
      groupId,
      generation,
      memberId,
      groupInstanceId,
      [{ name: topic, partitions }],
    ])
    const told = answer.topics.find(({ name }) => name === topic)?.partitions ?? []
    for (const { partition } of offsets) {
      const errorCode = told.find(({ partitionIndex }) => partitionIndex === partition)?.errorCode
      if (errorCode === undefined) throw toDriverError(new Error('no answer about it'), 'Committing')
      if (errorCode !== 0) throw this.#refused(errorCode, 'Committing')
    }
  }

  /** Asks the coordinator; an answer with errors is an answer. */
  async #ask<Args extends unknown[], Answer>(api: API<Args, Answer>, args: Args, timeoutMs?: number): Promise<Answer> {
    const { groupId } = this.#options
    try {
      const link = await this.#link()
      return await link.request(api, args, timeoutMs).catch((error: unknown) => answerIn<Answer>(error))
    } catch (error) {
      this.#cluster.forgetCoordinator(groupId)
      throw toDriverError(error, `The coordinator of ${groupId}`)
    }
  }

  async #link(): Promise<BrokerLink> {
    return this.#cluster.linkTo(await this.#cluster.coordinator(this.#options.groupId), 'group')
  }

  #refused(errorCode: number, doing: string): DriverError {
    if (coordinatorMoved.has(errorCode)) this.#cluster.forgetCoordinator(this.#options.groupId)
    return errorOfCode(errorCode, `${doing} as a member of ${this.#options.groupId}`)
  }
}
