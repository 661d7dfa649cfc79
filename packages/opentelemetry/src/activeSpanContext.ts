import { trace } from '@opentelemetry/api'
import type { Context, Span } from '@opentelemetry/api'

/** The key under which the API keeps the span of a context: it tells nobody but the context that it sets it in. */
const spanKey = ((): symbol => {
  let found = Symbol('never set')
  const probe: Context = {
    getValue: () => undefined,
    setValue(key) {
      found = key
      return probe
    },
    deleteValue: () => probe,
  }
  trace.setSpanContext(probe, { traceId: '', spanId: '', traceFlags: 0 })
  return found
})()

/**
 * A context with a span, as `trace.setSpan` makes it: there it is a copy of a map and three functions, which are most of what a
 * message that nobody samples leaves to the garbage collector.
 */
export class ActiveSpanContext implements Context {
  readonly #parent: Context
  readonly #span: Span

  constructor(parent: Context, span: Span) {
    this.#parent = parent
    this.#span = span
  }

  getValue(key: symbol): unknown {
    return key === spanKey ? this.#span : this.#parent.getValue(key)
  }

  setValue(key: symbol, value: unknown): Context {
    return this.#copy().setValue(key, value)
  }

  deleteValue(key: symbol): Context {
    return this.#copy().deleteValue(key)
  }

  /** One of the API's: what is set on top of each other does not become a chain. */
  #copy(): Context {
    return trace.setSpan(this.#parent, this.#span)
  }
}
