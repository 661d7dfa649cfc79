import { randomUUID } from 'node:crypto'
import { resourceNames } from '@posthorn/core/adapter'
import type { Target } from '@posthorn/core/adapter'
import type {
  BindingMapping,
  DestinationMapping,
  GroupMapping,
  TopologyArguments,
  TopologyMode,
  TopologyOptions,
} from './topologyOptions.js'

/**
 * Whose something is. `ours` is declared or compared, as the mode says; `existing` must only be there; `process` lives
 * and dies with us, so that nobody else could declare it, whatever the mode.
 */
export type Owner = 'ours' | 'existing' | 'process'

/** Where RabbitMQ takes a message in. */
export interface Address {
  /** Empty for the default exchange, which routes by the name of a queue. */
  readonly exchange: string
  readonly routingKey: string
}

/** An address, and whom it stands for. */
export interface TargetAddress extends Address {
  readonly target: Target
}

/** The exchange of a destination. */
export interface ExchangeFacts {
  readonly name: string
  readonly type: string
  readonly owner: Owner
  readonly arguments: TopologyArguments
}

/** A destination as it is published. */
export interface Route {
  readonly exchange: ExchangeFacts
  readonly keyOf: (type: string) => string
  /** The routing key, where it is one for all types. */
  readonly fixedKey: string | undefined
}

/** The queues of a group. */
export interface GroupQueues {
  readonly work: string
  readonly dead: string
  readonly owner: Owner
  readonly durable: boolean
  /** Undefined: ours. */
  readonly arguments: TopologyArguments | undefined
  /** Undefined: one for each type. */
  readonly bindings: readonly BindingMapping[] | undefined
  /** Of a temporary queue only. */
  readonly expiresMs: number | undefined
  readonly priority: number | undefined
  readonly cancelOnFailover: boolean
  rung(delayMs: number): string
}

/** What was kept of messages that no queue took. */
export interface UnroutedBounds {
  readonly maxCount: number
  readonly maxAgeMs: number | undefined
}

/** Which exchanges and queues stand for what, for one transport. Pure but for the name of its own temporary queues. */
export interface TopologyMap {
  readonly mode: TopologyMode
  /** Undefined: unrouted messages are only reported. */
  readonly unrouted: UnroutedBounds | undefined
  /** The destinations and groups that options name. */
  readonly mapped: { readonly destinations: readonly string[]; readonly groups: readonly string[] }
  routeOf(destination: string): Route
  queuesOf(group: { readonly destination: string; readonly group: string }): GroupQueues
  /** For every publish: cheap. */
  addressOf(target: Target, type: string): TargetAddress
  /** What an exchange that was published to is declared as. */
  exchangeNamed(name: string): ExchangeFacts
}

/** Where events that no queue took are kept, when they are. */
export function unroutedQueue(destination: string): string {
  return `${destination}.unrouted`
}

const defaultExpiresMs = 300_000
/** Of the fanout exchange in front of a temporary group's rung. */
const temporaryRung = /\.temporary\.retry\.[0-9]+$/

/** Works on options that were checked. */
export function createTopologyMap(options: TopologyOptions, unrouted?: UnroutedBounds): TopologyMap {
  const routes = new Map(
    Object.entries(options.destinations ?? {}).map(([destination, mapping]) => [
      destination,
      mappedRoute(destination, mapping),
    ]),
  )
  const byExchange = new Map([...routes.values()].map(({ exchange }) => [exchange.name, exchange]))
  const mappings = new Map(Object.entries(options.groups ?? {}))
  const processId = randomUUID().slice(0, 13)

  function queuesOf({ destination, group }: { readonly destination: string; readonly group: string }): GroupQueues {
    const mapping = mappings.get(resourceNames.group(destination, group)) ?? unmapped
    return groupQueues({ destination, group, mapping, route: routes.get(destination), processId })
  }

  function addressOf(target: Target, type: string): TargetAddress {
    if ('destination' in target) {
      const route = routes.get(target.destination)
      if (route === undefined) return { exchange: target.destination, routingKey: type, target }
      return { exchange: route.exchange.name, routingKey: route.keyOf(type), target }
    }
    if ('retry' in target) {
      const queues = queuesOf(target.retry)
      const rung = queues.rung(target.retry.delayMs)
      // The rung is shared by all processes: the routing key says to which of them the message goes back.
      if (queues.expiresMs !== undefined) return { exchange: rung, routingKey: queues.work, target }
      return { exchange: '', routingKey: rung, target }
    }
    if ('dead' in target) return { exchange: '', routingKey: queuesOf(target.dead).dead, target }
    return { exchange: '', routingKey: queuesOf(target.group).work, target }
  }

  return {
    mode: options.mode ?? 'apply',
    unrouted,
    mapped: { destinations: [...routes.keys()], groups: [...mappings.keys()] },
    routeOf: (destination) => routes.get(destination) ?? ownRoute(destination),
    queuesOf,
    addressOf,
    exchangeNamed: (name) => byExchange.get(name) ?? ownExchange(name),
  }
}

function ownRoute(destination: string): Route {
  return { exchange: ownExchange(destination), keyOf: (type) => type, fixedKey: undefined }
}

function ownExchange(name: string): ExchangeFacts {
  return { name, type: temporaryRung.test(name) ? 'fanout' : 'topic', owner: 'ours', arguments: {} }
}

function mappedRoute(destination: string, mapping: DestinationMapping): Route {
  const { exchange: name = destination, type = 'topic' } = mapping
  const isOurs = mapping.declare ?? mapping.exchange === undefined
  const routingKey = mapping.routingKey ?? (name === '' ? destination : undefined)
  return {
    exchange: {
      name,
      type: name === '' ? 'direct' : type,
      owner: isOurs ? 'ours' : 'existing',
      arguments: mapping.arguments ?? {},
    },
    keyOf: keyMaker(destination, routingKey),
    fixedKey: typeof routingKey === 'string' ? routingKey : undefined,
  }
}

function keyMaker(destination: string, routingKey: DestinationMapping['routingKey']): (type: string) => string {
  if (routingKey === undefined) return (type) => type
  if (typeof routingKey === 'string') return () => routingKey
  return (type) => {
    const key: unknown = routingKey(type)
    if (typeof key === 'string') return key
    throw new TypeError(`topology.destinations['${destination}'].routingKey gave no string for the type "${type}"`)
  }
}

const unmapped: GroupMapping = {}

interface GroupParts {
  readonly destination: string
  readonly group: string
  readonly mapping: GroupMapping
  readonly route: Route | undefined
  readonly processId: string
}

function groupQueues({ destination, group, mapping, route, processId }: GroupParts): GroupQueues {
  const name = resourceNames.group(destination, group)
  const isTemporary = mapping.temporary === true
  const queue = mapping.queue ?? (route?.exchange.name === '' ? route.fixedKey : undefined)
  const isOurs = mapping.declare ?? queue === undefined
  return {
    work: isTemporary ? `${name}.temporary.${processId}` : (queue ?? name),
    dead: mapping.deadQueue ?? resourceNames.dead(destination, group),
    owner: isTemporary ? 'process' : isOurs ? 'ours' : 'existing',
    durable: mapping.durable ?? true,
    arguments: mapping.arguments,
    bindings: mapping.bindings ?? (isOurs || isTemporary ? undefined : []),
    expiresMs: isTemporary ? (mapping.expiresMs ?? defaultExpiresMs) : undefined,
    priority: mapping.priority,
    cancelOnFailover: mapping.cancelOnFailover ?? false,
    rung: (delayMs) => resourceNames.retry(destination, isTemporary ? `${group}.temporary` : group, delayMs),
  }
}
