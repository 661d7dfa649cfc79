import { idOf, linkedIds, parentIdOf } from './sdk.js'
import type { ReadableSpan } from './sdk.js'

/** The spans from which parents and links do not lead back to `origin`, by name. */
export function unconnected(spans: readonly ReadableSpan[], origin: ReadableSpan): string[] {
  const byId = new Map(spans.map((span) => [idOf(span), span]))
  const leads = (span: ReadableSpan, seen: Set<string>): boolean => {
    if (span === origin) return true
    const before = [parentIdOf(span), ...linkedIds(span)].filter((id) => id !== undefined && !seen.has(id))
    return before.some((id) => {
      seen.add(id!)
      const found = byId.get(id!)
      return found !== undefined && leads(found, seen)
    })
  }
  return spans.filter((span) => !leads(span, new Set())).map(({ name }) => name)
}
