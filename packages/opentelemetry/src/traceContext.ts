import { INVALID_TRACEID, isSpanContextValid, propagation, ROOT_CONTEXT, trace, TraceFlags } from '@opentelemetry/api'
import type { Context, Link, SpanContext, TextMapGetter } from '@opentelemetry/api'
import type { TraceHeaders } from '@posthorn/core/adapter'

type Headers = Readonly<Record<string, string>>

/** Longer ones are nobody's; parsing them would be work for whoever sent them. */
const maxTraceparentLength = 512
const maxValueLength = 8_192

/** The W3C headers of a context; undefined when it carries neither a trace nor baggage. */
export function traceHeadersOf(active: Context): TraceHeaders | undefined {
  if (trace.getSpanContext(active) === undefined && propagation.getBaggage(active) === undefined) return undefined
  const headers: Record<string, string> = {}
  const span = trace.getSpanContext(active)
  inject(active, span !== undefined && isSpanContextValid(span) ? span : undefined, headers)
  for (const _ in headers) return headers
  return undefined
}

/** Writes a context, and its span where that is a valid one, into headers: as the registered propagator does, and always as W3C, which every consumer of ours reads. */
export function inject(active: Context, span: SpanContext | undefined, headers: Record<string, string>): void {
  const isOurs = propagation.getBaggage(active) === undefined && isAllW3C()
  // What is left to write then is written below, at a tenth of the cost.
  if (!isOurs) propagation.inject(active, headers)
  if (span !== undefined) {
    headers['traceparent'] = traceparentOf(span)
    const state = span.traceState?.serialize()
    if (state !== undefined && state !== '') headers['tracestate'] = state
    else delete headers['tracestate']
  }
  if ((headers['baggage']?.length ?? 0) > maxValueLength) delete headers['baggage']
}

/** No other propagator is registered, which may have headers of its own. */
const isAllW3C = (): boolean => propagation.fields().every(isW3C)

const isW3C = (field: string): boolean => field === 'traceparent' || field === 'tracestate' || field === 'baggage'

function traceparentOf({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}${(traceFlags & TraceFlags.SAMPLED) === 0 ? '-00' : '-01'}`
}

/** What a message's headers carry. Apart from each other, since a context is a copy of a map. */
export interface Carried {
  /** With the baggage, and without a span. */
  readonly base: Context
  /** The span that sent the message; undefined where the headers name none, or a damaged one. */
  readonly hop: SpanContext | undefined
}

/** What headers carry in which there is nothing. */
export const nothingCarried: Carried = Object.freeze({ base: ROOT_CONTEXT, hop: undefined })

/** Reads what headers carry; whatever stands there, nothing throws. */
export function extract(headers: Headers): Carried {
  // The usual case, at a tenth of the cost: what we sent ourselves, without baggage and without the state of a vendor.
  const own = parse(headers['traceparent'])
  if (own === undefined && isEmpty(headers)) return nothingCarried
  if (own !== undefined && !hasMore(headers) && isAllW3C()) return { base: ROOT_CONTEXT, hop: own }
  const found = propagation.extract(ROOT_CONTEXT, headers, getter)
  const hop = trace.getSpanContext(found) ?? own ?? parse(lookUp(headers, 'traceparent'))
  return { base: trace.deleteSpan(found), hop }
}

/** Whether there is anything for a propagator beside the `traceparent`. */
function hasMore(headers: Headers): boolean {
  for (const name in headers) {
    if (name.length === 7 && name.toLowerCase() === 'baggage') return true
    if (name.length === 10 && name.toLowerCase() === 'tracestate') return true
  }
  return false
}

/** Whether there is no header at all. */
export function isEmpty(headers: Headers): boolean {
  for (const _ in headers) return false
  return true
}

/** The context of a child of the span that sent the message. */
export function below({ base, hop }: Carried): Context {
  return hop === undefined ? base : trace.setSpanContext(base, hop)
}

/** The context of a `traceparent` that somebody sent; undefined for a damaged one. */
export function parse(traceparent: unknown): SpanContext | undefined {
  if (typeof traceparent !== 'string' || traceparent.length > maxTraceparentLength) return undefined
  if (isPlain(traceparent)) {
    const traceId = traceparent.slice(3, 35)
    const spanId = traceparent.slice(36, 52)
    return { traceId, spanId, traceFlags: traceparent.charCodeAt(54) & 1, isRemote: true }
  }
  const match = traceparentFormat.exec(traceparent)
  if (match === null) return undefined
  const [, version, traceId = INVALID_TRACEID, spanId = '', flags = '0', rest] = match
  if (version === 'ff' || (version === '00' && rest !== '')) return undefined
  const span = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true }
  return isSpanContextValid(span) ? span : undefined
}

const dash = 45
const zero = 48

/** Of version 00 with flags 00 or 01 and valid ids, as nearly all are: read without a regular expression, at a third of the cost. */
function isPlain(traceparent: string): boolean {
  return (
    traceparent.length === 55 &&
    traceparent.startsWith('00-') &&
    traceparent.charCodeAt(35) === dash &&
    traceparent.charCodeAt(52) === dash &&
    traceparent.charCodeAt(53) === zero &&
    (traceparent.charCodeAt(54) & ~1) === zero &&
    isId(traceparent, 3, 35) &&
    isId(traceparent, 36, 52)
  )
}

const isHex = new Uint8Array(65_536)
for (const digit of '0123456789abcdef') isHex[digit.charCodeAt(0)] = 1

/** Hexadecimal digits, not all of them zero. */
function isId(text: string, start: number, end: number): boolean {
  let seen = 0
  for (let at = start; at < end; at += 1) {
    const code = text.charCodeAt(at)
    if (isHex[code] === 0) return false
    seen |= code ^ zero
  }
  return seen !== 0
}

/** https://www.w3.org/TR/trace-context/#traceparent-header-field-values; a later version may have more behind a dash. */
const traceparentFormat = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(|-.*)$/

/** A header says that there is a trace, and cannot be read. */
export function isDamaged(headers: Headers, { hop }: Carried): boolean {
  return hop === undefined && lookUp(headers, 'traceparent') !== undefined
}

/** Names of headers come as somebody wrote them; the propagators ask for lower case. */
function lookUp(headers: Headers, name: string): string | undefined {
  const found = headers[name]
  if (found !== undefined) return found
  for (const key in headers) if (key.length === name.length && key.toLowerCase() === name) return headers[key]
  return undefined
}

const getter: TextMapGetter<Headers> = {
  keys: (headers) => Object.keys(headers),
  get(headers, name) {
    const value = lookUp(headers, name)
    return typeof value === 'string' && value.length <= maxValueLength ? value : undefined
  },
}

/** The array of those that have none; an SDK copies it. */
export const noLinks: Link[] = []

/** Links to the hop, and to the origin where that is another one; both carry what is known of the message. */
export function linksTo(
  hop: SpanContext | undefined,
  origin: SpanContext | undefined,
  attributes?: Link['attributes'],
): Link[] {
  const isOne = origin === undefined || origin.spanId === hop?.spanId
  if (hop === undefined) return isOne ? noLinks : [linkTo(origin, attributes)]
  // Not pushed to: an array that grows makes room for sixteen more.
  return isOne ? [linkTo(hop, attributes)] : [linkTo(hop, attributes), linkTo(origin, attributes)]
}

function linkTo(context: SpanContext, attributes: Link['attributes']): Link {
  return attributes === undefined ? { context } : { context, attributes }
}
