import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import { codeOf } from '@posthorn/core'
import type { EnvelopeValidationError, PosthornError, Service } from '@posthorn/core'
import { maxLineBytes, parseLine } from '../input/parseLine.js'
import { ShopError } from '../shopError.js'

/**
 * A server with what the APIs share: bodies are read as carefully as lines of a file, errors become answers that show no
 * data, and `/health` says whether the service behind it works.
 */
export function createHttpServer(service: Service): FastifyInstance {
  const server = Fastify({ bodyLimit: maxLineBytes, logger: false })
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseLine(body as Buffer))
    } catch (error) {
      done(error as Error)
    }
  })
  server.setErrorHandler((error, _request, reply) => {
    const answer = answerTo(error)
    if (answer.status === 503) void reply.header('retry-after', '1')
    return reply.code(answer.status).send(answer.body)
  })
  server.get('/health', async (_request, reply) => {
    const { ready, state, transport } = service.health()
    return reply.code(ready ? 200 : 503).send({ ready, state, broker: transport.state })
  })
  return server
}

interface Answer {
  readonly status: number
  readonly body: { readonly code: string; readonly message: string; readonly issues?: unknown }
}

/** The caller's faults are 4xx; a broker that does not confirm is 503: trying again is right and safe. */
function answerTo(error: unknown): Answer {
  if (error instanceof ShopError) {
    return { status: error.code === 'SHOP_UNKNOWN_USER' ? 422 : 400, body: describe(error.code, error) }
  }
  const code = codeOf(error)
  if (code !== undefined) {
    const known = error as PosthornError
    if (code === 'POSTHORN_INVALID_DATA') {
      const { issues } = known as EnvelopeValidationError
      return { status: 422, body: { ...describe(code, known), issues } }
    }
    const isUnavailable = known.retryable || code === 'POSTHORN_STOPPED' || code === 'POSTHORN_NOT_STARTED'
    return { status: isUnavailable ? 503 : 400, body: describe(code, known) }
  }
  const { statusCode, code: httpCode } = error as { readonly statusCode?: number; readonly code?: string }
  if (statusCode !== undefined && statusCode < 500) {
    return { status: statusCode, body: describe(httpCode ?? 'SHOP_BAD_REQUEST', error as Error) }
  }
  return { status: 500, body: { code: 'SHOP_INTERNAL', message: 'The request failed; see the log' } }
}

const describe = (code: string, error: Error): Answer['body'] => ({ code, message: error.message })
