import { ProtocolError } from '@platformatic/kafka'
import { isTlsCode } from '../../tlsProblem.js'
import { kindOfBrokerError, refusedBeforeAppend } from '../brokerErrors.js'
import { DriverError } from '../driverError.js'
import type { DriverErrorKind } from '../driverError.js'

interface ClientError {
  readonly message: string
  readonly code?: unknown
  /** Kafka's name of what went wrong, where a broker said it. */
  readonly apiId?: unknown
  readonly canRetry?: unknown
  readonly cause?: unknown
  readonly errors?: unknown
}

/** Translates whatever the client threw; an error that is translated already stays as it is. */
export function toDriverError(error: unknown, doing: string): DriverError {
  if (error instanceof DriverError) return error
  const chain = chainOf(error)
  // Of a login: it went through the client and came back.
  const own = chain.find((link) => link instanceof DriverError)
  if (own instanceof DriverError) return own
  const told = chain.find(({ apiId }) => typeof apiId === 'string')
  const id = typeof told?.apiId === 'string' ? told.apiId : undefined
  return new DriverError({
    kind: kindOf(chain, told),
    message: `${doing}: ${messageOf(chain, error)}`,
    written: id !== undefined && refusedBeforeAppend.has(id) ? 'no' : 'unknown',
    cause: causeOf(chain.find(({ code }) => isTlsCode(code)) ?? told ?? chain.at(-1)) ?? error,
  })
}

/**
 * What happened, without what is attached to it: errors of the client carry whole answers, and those of TLS whole
 * certificates, which no log can write. An error without a code is nobody's message, and stays as it is.
 */
function causeOf(found: ClientError | undefined): unknown {
  if (found?.code === undefined) return found
  const { message, code, apiId } = found
  return Object.assign(new Error(message), { code }, apiId === undefined ? {} : { apiId })
}

/** What a broker answered, by its number. */
export function errorOfCode(code: number, doing: string, detail?: string | null): DriverError {
  return toDriverError(new ProtocolError(code, detail ?? null), doing)
}

/** The answer inside an error that is only about a part of it; everything else is thrown. */
export function answerIn<T>(error: unknown): T {
  const { response } = (error ?? {}) as { readonly response?: T }
  if (response === undefined || response === null) throw error
  return response
}

/** The error, what it lists and what caused it, outermost first. */
function chainOf(error: unknown): ClientError[] {
  const chain: ClientError[] = []
  let found: unknown = error
  for (let depth = 0; depth < 8 && found instanceof Error; depth += 1) {
    const link = found as ClientError
    chain.push(link)
    found = Array.isArray(link.errors) && link.errors[0] instanceof Error ? link.errors[0] : link.cause
  }
  return chain
}

function messageOf(chain: readonly ClientError[], error: unknown): string {
  if (chain.length === 0) return String(error)
  // What the client wraps around says less ("Connection to host failed.") than what it wraps.
  return [...new Set([chain[0]!.message, chain.at(-1)!.message])].join(' ')
}

function kindOf(chain: readonly ClientError[], told: ClientError | undefined): DriverErrorKind {
  if (typeof told?.apiId === 'string') {
    return kindOfBrokerError[told.apiId] ?? (told.canRetry === true ? 'unavailable' : 'other')
  }
  const codes = chain.map(({ code }) => code)
  if (codes.some(isTlsCode)) return 'tls'
  if (codes.includes('PLT_KFK_UNSUPPORTED_COMPRESSION')) return 'unsupported'
  // A connection that broke in the middle of the handshake is called a failed authentication, too.
  const innermost = chain.at(-1)?.code
  if (codes.includes('PLT_KFK_AUTHENTICATION') && innermost === 'PLT_KFK_AUTHENTICATION') return 'authentication'
  if (codes.includes('PLT_KFK_NETWORK') || codes.includes('PLT_KFK_UNEXPECTED_CORRELATION_ID')) return 'connection'
  return 'other'
}
