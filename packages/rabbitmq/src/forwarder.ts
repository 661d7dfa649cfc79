import { PublishError } from '@posthorn/core/adapter'
import type { ConfirmChannel, GetMessage, MessageProperties, Options } from 'amqplib'
import { textOf } from './errorMapping.js'

/** A message as it came out of a queue. */
export interface StoredMessage {
  readonly content: Buffer
  readonly properties: MessageProperties
  readonly fields: Pick<GetMessage['fields'], 'deliveryTag'>
}

/**
 * Makes a function that copies messages into a queue, unchanged: it resolves when the broker has confirmed the copy and
 * the queue has taken it, so that the original may be given up, and rejects otherwise.
 */
export function createForwarder(channel: ConfirmChannel): (message: StoredMessage, queue: string) => Promise<void> {
  // Kept for all that follow: several of one id, or without any, may come back before the broker confirms them in one
  // answer, and none of them was taken.
  const returned = new Set<unknown>()
  channel.on('return', ({ properties }) => returned.add(properties.messageId as unknown))
  return ({ content, properties }, queue) =>
    new Promise((resolve, reject) => {
      channel.sendToQueue(queue, content, copyOptions(properties), (error: unknown) => {
        if (error !== null && error !== undefined) return reject(refusedError(properties, queue, error))
        if (returned.has(properties.messageId as unknown)) return reject(unroutedError(properties, queue))
        resolve()
      })
    })
}

/** What the broker wrote about an earlier stay in a queue would be taken for facts about the next one. */
const stayHeader = /^x-(death$|first-death-|last-death-|delivery-count$|acquired-count$)/

function copyOptions(properties: MessageProperties): Options.Publish {
  const headers: object = properties.headers ?? {}
  const options: Record<string, unknown> = {
    mandatory: true,
    persistent: true,
    headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !stayHeader.test(name))),
  }
  const names = [
    'messageId',
    'type',
    'contentType',
    'contentEncoding',
    'correlationId',
    'replyTo',
    'timestamp',
    'appId',
  ]
  for (const name of [...names, 'priority']) {
    const value: unknown = properties[name as keyof MessageProperties]
    if (value !== undefined) options[name] = value
  }
  return options
}

function refusedError({ messageId }: MessageProperties, queue: string, cause: unknown): PublishError {
  return new PublishError({
    code: 'POSTHORN_PUBLISH_REFUSED',
    message: `Message ${String(messageId)} was not taken by the queue "${queue}": ${textOf(cause)}. Its original stays.`,
    outcome: 'unknown',
    cause,
  })
}

function unroutedError({ messageId }: MessageProperties, queue: string): PublishError {
  return new PublishError({
    code: 'POSTHORN_PUBLISH_UNROUTED',
    message: `Message ${String(messageId)} found no queue "${queue}". Start its consumer first. Its original stays.`,
    outcome: 'notSent',
  })
}
