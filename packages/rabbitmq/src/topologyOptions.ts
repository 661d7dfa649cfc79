import {
  boolean,
  callable,
  listOf,
  mappingProblems,
  object,
  oneOf,
  optionProblems,
  scalars,
  text,
  wholeNumber,
} from '@posthorn/core/adapter'
import type { OptionRule } from '@posthorn/core/adapter'

/** Whether Posthorn declares what it uses, compares it, or trusts that it is there. */
export type TopologyMode = 'apply' | 'verify' | 'none'

/** Arguments of a queue, an exchange or a binding, as AMQP takes them. */
export type TopologyArguments = Readonly<Record<string, string | number | boolean>>

/** Maps destinations and groups onto exchanges and queues that exist already. What is not named here is as always. */
export interface TopologyOptions {
  /**
   * `apply` declares what is missing; `verify` changes nothing and refuses what is missing or different (bindings
   * cannot be read with AMQP and are not checked); `none` trusts that everything is there.
   * @default 'apply'
   */
  readonly mode?: TopologyMode
  /**
   * Where single destinations are published, by name.
   * @default every destination is a durable topic exchange of its name
   */
  readonly destinations?: Readonly<Record<string, DestinationMapping>>
  /**
   * What single groups consume from, by `<destination>.<group>`.
   * @default every group has a quorum queue of its name
   */
  readonly groups?: Readonly<Record<string, GroupMapping>>
}

/** How one destination is published. */
export interface DestinationMapping {
  /**
   * The exchange; `''` is the default exchange, which routes to the queue that the routing key names.
   * @default the destination's name
   */
  readonly exchange?: string
  /**
   * `topic`, `direct`, `fanout`, `headers`, or a plugin's. Groups bind as the type needs it.
   * @default 'topic'
   */
  readonly type?: string
  /**
   * The routing key: one for all, or made from the message's type. It is called for every publish, and must be quick and
   * give the same key for the same type.
   * @default the message's type; on the default exchange the destination's name
   */
  readonly routingKey?: string | ((type: string) => string)
  /**
   * Whether the exchange is ours to declare. What is not is only checked for being there.
   * @default true, and false when `exchange` is given
   */
  readonly declare?: boolean
  /**
   * Arguments to declare the exchange with.
   * @default none
   */
  readonly arguments?: TopologyArguments
}

/** What one group consumes from, and how. */
export interface GroupMapping {
  /**
   * The queue.
   * @default `<destination>.<group>`; for a destination on the default exchange the queue that its routing key names
   */
  readonly queue?: string
  /**
   * Whether the queue is ours to declare. What is not is only checked for being there, and bound only as `bindings` says.
   * @default true, and false when the queue exists already by the rules above
   */
  readonly declare?: boolean
  /**
   * Whether the queue is durable, where it is declared. RabbitMQ 4.3 refuses queues that are not.
   * @default true
   */
  readonly durable?: boolean
  /**
   * Arguments to declare the queue with, instead of ours: also those that make it a classic queue.
   * @default those of a quorum queue that refuses when full and dead-letters at least once
   */
  readonly arguments?: TopologyArguments
  /**
   * What the queue is bound with, instead of a binding for each type: for headers exchanges, and for keys of your own.
   * @default one for each handled type; none for a queue that is not ours
   */
  readonly bindings?: readonly BindingMapping[]
  /**
   * The queue of the group's dead letters, which Posthorn declares and writes.
   * @default `<destination>.<group>.dead`
   */
  readonly deadQueue?: string
  /**
   * Each process has a queue of its own that lives as long as the process: every one of them gets every message. What
   * is in it when it ends is gone.
   * @default false
   */
  readonly temporary?: boolean
  /**
   * How long a temporary queue outlives its last consumer, in milliseconds. Higher loses nothing in longer outages, and
   * lets the queues of ended processes collect messages for longer.
   * @default 300_000
   */
  readonly expiresMs?: number
  /**
   * Consumers of a higher priority get messages first, others only while those are at their `maxInFlight`. From -128 to
   * 127.
   * @default 0
   */
  readonly priority?: number
  /**
   * Ends the consumer when a mirrored classic queue of RabbitMQ 3 moves to another node, so that it begins again. Other
   * queues ignore it.
   * @default false
   */
  readonly cancelOnFailover?: boolean
}

/** One binding of a group's queue to its destination's exchange. */
export interface BindingMapping {
  /**
   * What the exchange compares with the message's routing key.
   * @default ''
   */
  readonly routingKey?: string
  /**
   * What a headers exchange compares with the message's headers, `x-match` included.
   * @default none
   */
  readonly arguments?: TopologyArguments
}

const anyText: OptionRule = (value, path) => (typeof value === 'string' ? undefined : `${path} must be a string`)

const keyRule: OptionRule = (value, path) =>
  typeof value === 'string' || callable(value, path) === undefined
    ? undefined
    : `${path} must be a string or a function of the message's type`

const priorityRule: OptionRule = (value, path) =>
  Number.isInteger(value) && (value as number) >= -128 && (value as number) <= 127
    ? undefined
    : `${path} must be a whole number from -128 to 127`

export const topologyRules: Readonly<Record<keyof TopologyOptions, OptionRule>> = {
  mode: oneOf('apply', 'verify', 'none'),
  destinations: object,
  groups: object,
}

const destinationRules: Readonly<Record<keyof DestinationMapping, OptionRule>> = {
  exchange: anyText,
  type: text,
  routingKey: keyRule,
  declare: boolean,
  arguments: scalars,
}

const groupRules: Readonly<Record<keyof GroupMapping, OptionRule>> = {
  queue: text,
  declare: boolean,
  durable: boolean,
  arguments: scalars,
  bindings: listOf(object, 1),
  deadQueue: text,
  temporary: boolean,
  expiresMs: wholeNumber(1_000, 4_294_967_295),
  priority: priorityRule,
  cancelOnFailover: boolean,
}

const bindingRules: Readonly<Record<keyof BindingMapping, OptionRule>> = { routingKey: anyText, arguments: scalars }

/** Lists everything that is wrong with the option `topology`. */
export function topologyProblems(given: unknown): string[] {
  return mappingProblems<DestinationMapping, GroupMapping>(given, {
    rules: topologyRules,
    destination: destinationRules,
    group: groupRules,
    ofDestination: combinationsOfDestination,
    ofGroup: (path, mapping) => [
      ...(mapping.bindings ?? []).flatMap((binding, index) =>
        optionProblems(`${path}.bindings[${index}]`, binding, bindingRules),
      ),
      ...combinationsOfGroup(path, mapping),
    ],
  })
}

function combinationsOfDestination(path: string, mapping: DestinationMapping): string[] {
  const problems: string[] = []
  const isDefault = mapping.exchange === ''
  if (isDefault && (mapping.type !== undefined || mapping.declare !== undefined || mapping.arguments !== undefined)) {
    problems.push(`${path}: the default exchange always exists, and takes neither type, declare nor arguments`)
  }
  const declares = mapping.declare ?? mapping.exchange === undefined
  if (!declares && mapping.arguments !== undefined) problems.push(`${path}.arguments have no effect without declare`)
  if (declares && mapping.exchange?.startsWith('amq.') === true) {
    problems.push(`${path}.exchange: names that begin with amq. are RabbitMQ's own and cannot be declared`)
  }
  return problems
}

function combinationsOfGroup(path: string, mapping: GroupMapping): string[] {
  const problems: string[] = []
  const { arguments: given, queue, declare, temporary } = mapping
  if (temporary === true) {
    for (const key of ['queue', 'declare', 'durable', 'arguments', 'cancelOnFailover'] as const) {
      if (mapping[key] !== undefined) problems.push(`${path}.${key} cannot be combined with temporary`)
    }
    return problems
  }
  if (mapping.expiresMs !== undefined) problems.push(`${path}.expiresMs has no effect without temporary`)
  if (!(declare ?? queue === undefined) && (given !== undefined || mapping.durable !== undefined)) {
    problems.push(`${path}: arguments and durable have no effect without declare: true`)
  }
  if (mapping.cancelOnFailover === true && queue === undefined) {
    problems.push(`${path}.cancelOnFailover is for classic queues: name one as queue`)
  }
  if (given !== undefined && isBounded(given) && given['x-overflow'] !== 'reject-publish') {
    problems.push(`${path}.arguments: a full queue drops confirmed messages; add 'x-overflow': 'reject-publish'`)
  }
  return problems
}

function isBounded(given: TopologyArguments): boolean {
  return given['x-max-length'] !== undefined || given['x-max-length-bytes'] !== undefined
}
