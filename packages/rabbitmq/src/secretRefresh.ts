import { fullJitter } from '@posthorn/core/adapter'
import type { TransportContext } from '@posthorn/core/adapter'
import type { Counts } from './counts.js'
import { credentialsOf } from './credentials.js'
import type { Credentials, CredentialsSource } from './credentials.js'
import { textOf } from './errorMapping.js'
import type { Settings } from './options.js'
import { pause, settledBy } from './waiting.js'

/** What a connection lends to keep its secret fresh. */
export interface SecretRefreshParts {
  readonly source: CredentialsSource
  readonly settings: Settings
  readonly context: TransportContext
  readonly counts: Counts
  readonly purpose: string
  /** Writes the new secret to the broker, and resolves with its answer. */
  update(secret: Buffer): Promise<void>
  /** In an alarm the broker reads nothing, and answers later. */
  isBlocked(): boolean
  /** Makes the next connection, with new credentials. */
  reconnect(): void
  /** Fires when the connection is gone. */
  readonly stop: AbortSignal
}

/** Between these parts of their life, at random, credentials are asked again: a thousand clients got them at once. */
const refreshFrom = 0.6
const refreshTo = 0.8

/**
 * Gives a running connection new secrets (`connection.update-secret`) before the old one expires, until it is gone. What
 * the function cannot give is asked again; what the broker does not take in time ends the connection, and the next one
 * begins with new credentials. Never rejects.
 */
export async function keepSecretFresh(first: Credentials, parts: SecretRefreshParts): Promise<void> {
  const { context, counts, stop } = parts
  const { username } = first
  let { expiresInMs } = first
  while (expiresInMs !== undefined) {
    const share = refreshFrom + Math.random() * (refreshTo - refreshFrom)
    await pause(expiresInMs * share, stop, context.clock)
    const next = await askUntilGiven(parts)
    if (next === undefined) return
    // The broker has no way to change the user of a connection.
    if (next.username !== username) return parts.reconnect()
    if (!(await updated(next.password, parts))) return
    counts.refreshedSecrets += 1
    expiresInMs = next.expiresInMs
  }
}

async function askUntilGiven(parts: SecretRefreshParts): Promise<Credentials | undefined> {
  const { source, settings, context, stop, purpose } = parts
  for (let failures = 1; !stop.aborted; failures += 1) {
    try {
      return await credentialsOf(source, { timeoutMs: settings.connectTimeoutMs, clock: context.clock, stop })
    } catch (error) {
      if (stop.aborted) return undefined
      const facts = { event: 'rabbitmq.credentials', purpose, err: error }
      context.logger.warn(facts, `No new credentials for RabbitMQ, asking again: ${textOf(error)}`)
      await pause(fullJitter(failures, settings.reconnect), stop, context.clock)
    }
  }
  return undefined
}

async function updated(password: string, parts: SecretRefreshParts): Promise<boolean> {
  const { settings, context, stop, purpose } = parts
  // amqplib's promise stays pending when the connection ends first.
  let failure: unknown = `no answer within ${settings.connectTimeoutMs} ms`
  let isUpdated = false
  const answer = parts.update(Buffer.from(password)).then(
    () => (isUpdated = true),
    (error: unknown) => (failure = error),
  )
  do {
    const { clock } = context
    const settled = await settledBy(answer, clock.monotonic() + settings.connectTimeoutMs, clock)
    if (stop.aborted) return false
    if (settled) break
  } while (parts.isBlocked())
  if (isUpdated) return true
  const facts = { event: 'rabbitmq.secretRefused', purpose, err: failure }
  context.logger.warn(facts, `RabbitMQ did not take the new secret, reconnecting: ${textOf(failure)}`)
  parts.reconnect()
  return false
}
