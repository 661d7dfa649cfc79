import type { Declaration } from '@posthorn/core/adapter'
import { maxRungMs, planTopology } from './topology.js'
import type { TopologyItem } from './topology.js'

/** Longest name of a queue or exchange and longest routing key, in bytes. */
const maxNameBytes = 255

/** Lists in plain words what RabbitMQ cannot honour of a declaration, without I/O. */
export function declarationProblems(declaration: Declaration): readonly string[] {
  const delays = declaration.subscriptions.flatMap(({ rungsMs }) => rungsMs)
  const problems = [
    ...planTopology(declaration).map(nameProblem),
    ...delays
      .filter((delayMs) => delayMs < 1 || delayMs > maxRungMs)
      .map((delayMs) => `a retry delay of ${delayMs} ms: RabbitMQ's queue TTL takes 1 to ${maxRungMs} ms`),
  ]
  return [...new Set(problems.filter((problem) => problem !== undefined))]
}

function nameProblem(item: TopologyItem): string | undefined {
  const what = item.kind === 'binding' ? `type "${item.routingKey}"` : `${item.kind} "${item.name}"`
  const name = item.kind === 'binding' ? item.routingKey : item.name
  if (Buffer.byteLength(name) > maxNameBytes) return `${what}: RabbitMQ takes names of ${maxNameBytes} bytes`
  if (item.kind !== 'binding' && name.startsWith('amq.'))
    return `${what}: names that begin with amq. are RabbitMQ's own`
  return undefined
}
