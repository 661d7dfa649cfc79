import { messageIdOf, operationOf } from './spanRecord.js'
import type { SpanRecord } from './spanRecord.js'

/** What is known of the connections of a run. */
export interface Connections {
  /** Messages that handlers were called with, repetitions counted. */
  readonly handled: number
  /** Of these, the ones from which no way leads back to a `send` of the same message. */
  readonly unconnected: readonly UnconnectedMessage[]
}

export interface UnconnectedMessage {
  readonly span: string
  readonly messageId: string
}

/** Follows parents and links back from every handled message to its publish. */
export function checkConnections(spans: readonly SpanRecord[]): Connections {
  const byId = new Map(spans.map((span) => [span.spanId, span]))
  const unconnected: UnconnectedMessage[] = []
  let handled = 0
  for (const span of spans) {
    if (operationOf(span) !== 'process') continue
    for (const { messageId, from } of messagesOf(span)) {
      handled += 1
      if (!from.some((spanId) => leadsToSend(byId, spanId, messageId))) {
        unconnected.push({ span: span.name, messageId })
      }
    }
  }
  return { handled, unconnected }
}

/** One message, or those of a batch, whose links say which is whose. */
function messagesOf(span: SpanRecord): { readonly messageId: string; readonly from: readonly string[] }[] {
  const own = messageIdOf(span)
  if (own !== undefined) return [{ messageId: own, from: sourcesOf(span) }]
  const byMessage = new Map<string, string[]>()
  for (const link of span.links) {
    const id = messageIdOf(link) ?? 'unknown'
    byMessage.set(id, [...(byMessage.get(id) ?? []), link.spanId])
  }
  return [...byMessage].map(([messageId, from]) => ({ messageId, from }))
}

/** Where a span comes from: its parent first, then the hop, then the origin. */
export function sourcesOf(span: SpanRecord): string[] {
  const links = span.links.map(({ spanId }) => spanId)
  return span.parentSpanId === undefined ? links : [span.parentSpanId, ...links]
}

function leadsToSend(byId: ReadonlyMap<string, SpanRecord>, first: string, messageId: string): boolean {
  const seen = new Set<string>()
  const open = [first]
  for (let spanId = open.pop(); spanId !== undefined; spanId = open.pop()) {
    const span = byId.get(spanId)
    if (span === undefined || seen.has(spanId)) continue
    if (operationOf(span) === 'send' && messageIdOf(span) === messageId) return true
    seen.add(spanId)
    open.push(...sourcesOf(span))
  }
  return false
}
