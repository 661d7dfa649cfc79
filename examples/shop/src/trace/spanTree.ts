import { sourcesOf } from './connections.js'
import { operationOf } from './spanRecord.js'
import type { SpanRecord } from './spanRecord.js'

/** The spans that stand under each other: a span under its parent, or under the one that its first link names. */
export function childrenOf(spans: readonly SpanRecord[]): ReadonlyMap<string, readonly SpanRecord[]> {
  const known = new Set(spans.map(({ spanId }) => spanId))
  const children = new Map<string, SpanRecord[]>()
  for (const span of spans) {
    for (const source of placesOf(span, known)) children.set(source, [...(children.get(source) ?? []), span])
  }
  for (const list of children.values()) list.sort((one, other) => one.startMs - other.startMs)
  return children
}

/** A batch stands under each of its messages. */
function placesOf(span: SpanRecord, known: ReadonlySet<string>): string[] {
  const sources = sourcesOf(span).filter((source) => known.has(source))
  const isBatch = span.attributes['messaging.batch.message_count'] !== undefined
  return isBatch ? [...new Set(sources)] : sources.slice(0, 1)
}

/** The order that tells most: the one under which the most calls of handlers failed. */
export function mostEventful(spans: readonly SpanRecord[], name: string): SpanRecord | undefined {
  const children = childrenOf(spans)
  const count = (span: SpanRecord, seen: Set<string>): number => {
    if (seen.has(span.spanId)) return 0
    seen.add(span.spanId)
    const own = operationOf(span) === 'process' && span.isError ? 1 : 0
    return (children.get(span.spanId) ?? []).reduce((sum, child) => sum + count(child, seen), own)
  }
  let best: { readonly span: SpanRecord; readonly failures: number } | undefined
  for (const span of spans) {
    if (span.name !== name || span.isError) continue
    const failures = count(span, new Set())
    if (best === undefined || failures > best.failures) best = { span, failures }
  }
  return best?.span
}

/** One line for each span under `root`, later ones further right. */
export function treeOf(spans: readonly SpanRecord[], root: SpanRecord): string[] {
  const children = childrenOf(spans)
  const lines: string[] = []
  const seen = new Set<string>()
  const add = (span: SpanRecord, indent: string, mark: string): void => {
    if (seen.has(span.spanId)) return
    seen.add(span.spanId)
    const at = `+${(span.startMs - root.startMs).toFixed(1)} ms`
    const type = span.attributes['error.type']
    const error = span.isError ? `  ${typeof type === 'string' ? type : 'failed'}` : ''
    lines.push(`${indent}${mark}${span.name}  [${span.service}]  ${at}, ${span.durationMs.toFixed(1)} ms${error}`)
    for (const child of children.get(span.spanId) ?? []) {
      add(child, `${indent}  `, child.parentSpanId === span.spanId ? '' : '~ ')
    }
  }
  add(root, '', '')
  return lines
}
