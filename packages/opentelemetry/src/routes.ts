import type { Attributes } from '@opentelemetry/api'
import { targetName } from '@posthorn/core/adapter'
import type { MetricAttributes, Target, Transport } from '@posthorn/core/adapter'
import type { Names } from './boundedNames.js'
import { measuresOf } from './instruments.js'
import type { Instruments, Measures } from './instruments.js'
import type { SpanOperation } from './options.js'

/** What all operations of one kind on one destination have in common. */
export interface Route {
  readonly spanName: string
  readonly spanAttributes: Attributes
  readonly metricAttributes: MetricAttributes
  readonly measures: Measures
  /** False beyond the bound of names: the route is made anew each time, and is not to be kept. */
  readonly isNamed: boolean
}

/** What tells one route from another. */
export interface RouteFacts {
  /** The type of the operation in the conventions. */
  readonly type: SpanOperation
  /** What the broker calls it. */
  readonly name: string
  /** Undefined where several destinations have a part in it. */
  readonly destination: string | undefined
  readonly group?: string
}

/** Names and attributes for one transport, made once for each destination. */
export interface Routes {
  of(facts: RouteFacts): Route
  ofSend(target: Target, type: string): Route
}

/** The names of the operations: the conventions leave them to the system, and give these as examples. */
export const operationNames = {
  send: 'send',
  process: 'process',
  receive: (system: string): string => (system === 'kafka' ? 'poll' : 'receive'),
  /** Undefined where the broker is not told: Kafka delivers again what nobody commits. */
  settle(system: string, isDone: boolean): string | undefined {
    if (system === 'kafka') return isDone ? 'commit' : undefined
    return isDone ? 'ack' : 'nack'
  },
} as const

/** Where a message is sent to, in the words of the system, and the routing key where it has one. */
export function sendDestination(
  system: string,
  target: Target,
  type: string,
): { readonly destination: string; readonly routingKey: string | undefined } {
  const name = targetName(target)
  if (system !== 'rabbitmq') return { destination: name, routingKey: undefined }
  // To one group messages go through the default exchange, whose routing key is the name of the queue.
  if (!('destination' in target)) return { destination: name, routingKey: name }
  return type === ''
    ? { destination: name, routingKey: undefined }
    : { destination: `${name}:${type}`, routingKey: type }
}

export function createRoutes(
  transport: Transport,
  names: Pick<Names, 'destinations' | 'groups'>,
  instruments: Instruments,
): Routes {
  const { system } = transport
  const routes = new Map<string, Route>()
  let server: Readonly<Record<string, string | number>> | undefined

  function make({ type, name, destination, group }: RouteFacts, isNamed: boolean): Route {
    server ??= serverOf(transport)
    const operation = { 'messaging.operation.name': name, 'messaging.system': system }
    const place = {
      ...(destination === undefined ? {} : { 'messaging.destination.name': destination }),
      ...(group === undefined ? {} : { 'messaging.consumer.group.name': group }),
    }
    const metricAttributes = { ...operation, ...(isNamed ? place : {}), ...server }
    return {
      spanName: destination === undefined || !isNamed ? name : `${name} ${destination}`,
      spanAttributes: { ...operation, 'messaging.operation.type': type, ...place, ...server },
      metricAttributes,
      measures: measuresOf(instruments, type, metricAttributes),
      isNamed,
    }
  }

  function of(facts: RouteFacts): Route {
    const key = `${facts.name}\n${facts.destination ?? ''}\n${facts.group ?? ''}`
    const found = routes.get(key)
    if (found !== undefined) return found
    const { destination, group } = facts
    const isNamed =
      (destination === undefined || names.destinations.admit(destination)) &&
      (group === undefined || names.groups.admit(group))
    const route = make(facts, isNamed)
    if (isNamed) routes.set(key, route)
    return route
  }

  /** By destination and, on RabbitMQ, type: most sends need no name to be put together. */
  const ofSends = new Map<string, Map<string, Route>>()

  return {
    of,
    ofSend(target, type) {
      const name = 'destination' in target ? target.destination : undefined
      const routed = system === 'rabbitmq' ? type : ''
      const found = name === undefined ? undefined : ofSends.get(name)?.get(routed)
      if (found !== undefined) return found
      const { destination } = sendDestination(system, target, type)
      const route = of({ type: 'send', name: operationNames.send, destination })
      if (name !== undefined && route.isNamed) keepIn(ofSends, name).set(routed, route)
      return route
    },
  }
}

function keepIn(all: Map<string, Map<string, Route>>, name: string): Map<string, Route> {
  const found = all.get(name) ?? new Map<string, Route>()
  all.set(name, found)
  return found
}

const hostAndPort = /^(?:[a-z][a-z0-9+.-]*:\/\/)?(\[[0-9a-f:.]+\]|[^:/@\s]+):(\d{1,5})$/i

/** Of several addresses nobody knows which one a message takes. */
function serverOf(transport: Transport): Readonly<Record<string, string | number>> {
  const { addresses } = transport.health()
  const match = addresses.length === 1 ? hostAndPort.exec(addresses[0]!) : null
  return match === null ? {} : { 'server.address': match[1]!, 'server.port': Number(match[2]) }
}
