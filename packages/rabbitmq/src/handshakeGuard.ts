import type { EventEmitter } from 'node:events'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** How a connection failed or ended before its owner could listen. */
export interface EarlyEnd {
  /** Undefined when it was closed without a reason. */
  readonly error: Error | undefined
}

/** Knows what happens to one connection from its first byte on. */
export interface HandshakeGuard {
  /** Undefined while the connection has not ended. */
  ended(): EarlyEnd | undefined
}

type Open = (this: EventEmitter, fields: { readonly response?: unknown }, done: unknown) => unknown
type Listen = (connection: EventEmitter) => void

/** Shared by all copies of this package that share one amqplib. */
const watchedKey = Symbol.for('posthorn.rabbitmq.watchedOpenings')

/**
 * Listens to the connection that logs in with exactly this response, before its handshake begins. amqplib 2.3 reads on
 * as soon as it sees `open-ok`, before it hands the connection over: a `close` in the same chunk has no listener then,
 * which ends the process, or is missed, which leaves a dead connection that looks open. Connections of others are not
 * touched. Where amqplib's files cannot be found (a bundle), nothing is guarded.
 */
export function guardHandshake(response: Buffer): HandshakeGuard {
  let end: EarlyEnd | undefined
  watchedOpenings()?.set(response, (connection) => {
    connection.on('error', (error: Error) => (end = { error }))
    connection.on('close', (error?: Error) => (end ??= { error }))
  })
  return { ended: () => end }
}

function watchedOpenings(): WeakMap<object, Listen> | undefined {
  const prototype = connectionPrototype()
  if (prototype === undefined) return undefined
  const known = (prototype.open as Open & { [watchedKey]?: WeakMap<object, Listen> })[watchedKey]
  if (known !== undefined) return known
  const watched = new WeakMap<object, Listen>()
  const original = prototype.open
  const open: Open = function (fields, done) {
    const { response } = fields
    if (typeof response === 'object' && response !== null) watched.get(response)?.(this)
    return original.call(this, fields, done)
  }
  prototype.open = Object.assign(open, { [watchedKey]: watched })
  return watched
}

function connectionPrototype(): { open: Open } | undefined {
  try {
    const require = createRequire(import.meta.url)
    // By path, since amqplib exports its main file only.
    const file = join(dirname(require.resolve('amqplib')), 'lib', 'connection.js')
    const { Connection } = require(file) as { Connection?: { prototype?: { open?: Open } } }
    const prototype = Connection?.prototype
    return typeof prototype?.open === 'function' ? (prototype as { open: Open }) : undefined
  } catch {
    return undefined
  }
}
