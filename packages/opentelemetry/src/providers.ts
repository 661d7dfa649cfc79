import { createNoopMeter, metrics, trace } from '@opentelemetry/api'
import type { Meter, MeterProvider, ProxyTracerProvider, Tracer } from '@opentelemetry/api'
import type { Settings } from './options.js'

const scope = '@posthorn/opentelemetry'
/** The conventions that names and attributes follow. */
const schemaUrl = 'https://opentelemetry.io/schemas/1.44.0'

/** Who takes spans and measurements now: an SDK may be registered at any time, or never. */
export interface Providers {
  /** Undefined while there is no SDK for traces. */
  tracer(): Tracer | undefined
  /** Undefined while there is no SDK for metrics; another object when another SDK is there. */
  meter(): Meter | undefined
  /** Calls `listener` now, and whenever there is another meter. */
  onMeter(listener: (meter: Meter | undefined) => void): void
}

export function createProviders({ tracerProvider, meterProvider }: Settings): Providers {
  // The tracer of the API asks for the registered provider at every span, a meter does not.
  const tracer = (tracerProvider ?? trace).getTracer(scope, undefined, { schemaUrl })
  const isRegistered = registration()
  const noMeter = createNoopMeter()
  let seen: MeterProvider | undefined
  let meter: Meter | undefined
  const listeners: ((meter: Meter | undefined) => void)[] = []

  const providers: Providers = {
    tracer: () => (tracerProvider !== undefined || isRegistered() ? tracer : undefined),
    meter() {
      const provider = meterProvider ?? metrics.getMeterProvider()
      if (provider !== seen) {
        seen = provider
        const given = provider.getMeter(scope, undefined, { schemaUrl })
        meter = given === noMeter ? undefined : given
        for (const listener of listeners) listener(meter)
      }
      return meter
    },
    onMeter(listener) {
      listener(providers.meter())
      listeners.push(listener)
    },
  }
  return providers
}

/** Tells whether there is an SDK for traces, by methods of the API, since the class may come of another copy of it. */
function registration(): () => boolean {
  let seen: unknown
  let wasRegistered = false
  return () => {
    const provider = trace.getTracerProvider() as Partial<ProxyTracerProvider>
    if (typeof provider.getDelegate !== 'function') return true
    const delegate = provider.getDelegate()
    // An SDK makes a key of several strings whenever it is asked for a tracer.
    if (delegate !== seen) {
      seen = delegate
      wasRegistered = provider.getDelegateTracer?.(scope) !== undefined
    }
    return wasRegistered
  }
}
