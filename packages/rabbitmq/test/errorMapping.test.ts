import { describe, expect, it } from 'vitest'
import {
  isClosedError,
  refusalOf,
  refusedError,
  replyCodeOf,
  textOf,
  topologyErrorOf,
  unreachableError,
} from '../src/errorMapping.js'

const where = { addresses: ['amqp://a:5672', 'amqp://b:5672'], vhost: 'shop' }
const amqp = (code: number, text = 'PRECONDITION_FAILED - inequivalent arg'): Error =>
  Object.assign(new Error(`Operation failed: QueueDeclare; ${code} "${text}"`), { code })

describe('errors of amqplib', () => {
  it('of a refused login are refusals of credentials, of a refused virtual host of the virtual host', () => {
    const login =
      'Handshake terminated by server: 403 (ACCESS-REFUSED) with message "ACCESS_REFUSED - Login was refused"'
    expect(refusalOf(new Error(login))).toBe('credentials')
    expect(refusalOf(new Error('Expected ConnectionOpenOk; got <ConnectionClose channel:0>'))).toBe('virtualHost')
    expect(refusalOf(new Error('connect ECONNREFUSED 127.0.0.1:1'))).toBeUndefined()
    expect(refusalOf(new Error('Handshake terminated by server: 320 (CONNECTION-FORCED)'))).toBeUndefined()
  })

  it('have a reply code when it is a number', () => {
    expect(replyCodeOf(amqp(406))).toBe(406)
    expect(replyCodeOf(Object.assign(new Error(), { code: 'ECONNREFUSED' }))).toBe(0)
    expect(replyCodeOf(undefined)).toBe(0)
  })

  it('are told by text, or by their code where Node.js leaves the text empty', () => {
    expect(textOf(new Error('text'))).toBe('text')
    expect(textOf(Object.assign(new AggregateError([], ''), { code: 'ECONNREFUSED' }))).toBe('ECONNREFUSED')
    expect(textOf('just text')).toBe('just text')
  })

  it('thrown on a closed channel are recognised by name', () => {
    expect(isClosedError(Object.assign(new Error('Channel closed'), { name: 'IllegalOperationError' }))).toBe(true)
    expect(isClosedError(new TypeError('content is not a buffer'))).toBe(false)
  })

  it('become errors that say where and what next', () => {
    const cause = new Error('connect ECONNREFUSED')
    expect(unreachableError(where, cause)).toMatchObject({ code: 'POSTHORN_UNREACHABLE', retryable: true, cause })
    expect(unreachableError(where, cause).message).toMatch(/amqp:\/\/a:5672, amqp:\/\/b:5672.*ECONNREFUSED.*Check/)
    expect(refusedError('virtualHost', where, cause)).toMatchObject({
      code: 'POSTHORN_AUTHENTICATION',
      retryable: false,
    })
    expect(refusedError('virtualHost', where, cause).message).toContain('"shop"')
  })

  it.each([
    [406, 'POSTHORN_TOPOLOGY_MISMATCH', false],
    [404, 'POSTHORN_TOPOLOGY_MISSING', false],
    [403, 'POSTHORN_AUTHENTICATION', false],
    [405, 'POSTHORN_CONNECTION_LOST', true],
    [541, 'POSTHORN_CONNECTION_LOST', true],
  ])('of a declaration with reply code %d become %s', (code, expected, retryable) => {
    const error = topologyErrorOf({ resource: 'queue "q"', expected: { 'x-message-ttl': 5 } }, amqp(code))
    expect(error).toMatchObject({ code: expected, retryable, details: { resource: 'queue "q"' } })
    expect(error.message).toContain('queue "q"')
  })

  it.each([
    "NOT_FOUND - home node 'node2@localhost' of durable queue 'q' in vhost '/' is down or inaccessible",
    "NOT_FOUND - failed to perform operation on queue 'q' in vhost '/' due to timeout",
    "NOT_FOUND - queue 'q' in vhost '/' process is stopped by supervisor",
  ])('of a queue whose node does not answer pass by themselves: %s', (text) => {
    const error = topologyErrorOf({ resource: 'queue "q"', expected: {} }, amqp(404, text))
    expect(error).toMatchObject({ code: 'POSTHORN_CONNECTION_LOST', retryable: true })
  })

  it('of a queue that a lost connection may still hold say so', () => {
    const locked = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost '/'"
    const error = topologyErrorOf({ resource: 'queue "q"', expected: {} }, amqp(405, locked))
    expect(error.message).toContain('perhaps a lost one of ours')
  })

  it('of a mismatch say what was expected and what the broker said', () => {
    const error = topologyErrorOf({ resource: 'queue "q"', expected: { 'x-message-ttl': 5 } }, amqp(406))
    expect(error.message).toContain('{"x-message-ttl":5}')
    expect(error.message).toContain('inequivalent arg')
  })
})
