import type { Receipt, SendOptions, Target, Transport, WireMessage } from '@posthorn/core/adapter'
import type { Occasion, Tell } from './lie.js'

/** One message on its way to the broker. */
interface Sending {
  readonly inner: Transport
  readonly target: Target
  readonly message: WireMessage
  readonly options: SendOptions
}

/** The names of the lies about what was sent. */
export type SendLie =
  | 'lostMessage'
  | 'lostRetry'
  | 'droppedDeadLetter'
  | 'unconfirmedPublish'
  | 'endlessSend'
  | 'routedAlwaysTrue'
  | 'earlyRetry'
  | 'bodyChanged'
  | 'headersDropped'
  | 'sentTwice'
  | 'broadcastRetry'

/** Lies about what was sent. */
export const sendLies: Readonly<Record<SendLie, Tell>> = {
  /** Confirms messages that it does not send. */
  lostMessage: lieAbout(isMessage, ({ inner }) => confirmed(inner)),
  /** Confirms retries that it does not send. */
  lostRetry: lieAbout(isRetry, ({ inner }) => confirmed(inner)),
  /** Confirms dead letters that it does not send. */
  droppedDeadLetter: lieAbout(isDeadLetter, ({ inner }) => confirmed(inner)),
  /** Confirms before the broker did, whatever becomes of the message. */
  unconfirmedPublish: lieAbout(always, ({ inner, target, message, options }) => {
    inner.send(target, message, options).catch(() => {})
    return confirmed(inner)
  }),
  /** Waits for the broker past the deadline. */
  endlessSend: lieAbout(always, ({ inner, target, message, options }) =>
    inner.send(target, message, options).catch(() => new Promise<never>(() => {})),
  ),
  /** Says that somebody receives what nobody receives. */
  routedAlwaysTrue: lieAbout(always, async ({ inner, target, message, options }) => {
    await inner.send(target, message, options)
    return { routed: true }
  }),
  /** Delivers retries at once. */
  earlyRetry: lieAbout(isRetry, ({ inner, target, message, options }) =>
    inner.send('retry' in target ? { group: target.retry } : target, message, options),
  ),
  /** Writes other bytes than it was given, which say the same. */
  bodyChanged: lieAbout(always, ({ inner, target, message, options }) => {
    const body = message.body === null ? null : Buffer.concat([message.body, Buffer.from(' ')])
    return inner.send(target, { ...message, body }, options)
  }),
  /** Forgets the headers. */
  headersDropped: lieAbout(always, ({ inner, target, message, options }) =>
    inner.send(target, { ...message, headers: {} }, options),
  ),
  /** Sends everything twice. */
  sentTwice: lieAbout(isMessage, async ({ inner, target, message, options }) => {
    await inner.send(target, message, options)
    return inner.send(target, message, options)
  }),
  /** Sends to the group's destination what was meant for the group alone. */
  broadcastRetry: lieAbout(isRetry, ({ inner, target, message, options }) =>
    inner.send({ destination: 'retry' in target ? target.retry.destination : '' }, message, options),
  ),
}

function lieAbout(concerns: (target: Target) => boolean, lie: (sending: Sending) => Promise<Receipt>): Tell {
  return (inner: Transport, occasion: Occasion) => ({
    ...inner,
    send(target, message, options) {
      const lies = concerns(target) && occasion()
      return lies ? lie({ inner, target, message, options }) : inner.send(target, message, options)
    },
  })
}

/** What an honest broker says of a message that it has. */
function confirmed(inner: Transport): Promise<Receipt> {
  return Promise.resolve({ routed: inner.capabilities.routed ? true : undefined })
}

function isMessage(target: Target): boolean {
  return 'destination' in target
}

function isRetry(target: Target): boolean {
  return 'retry' in target
}

function isDeadLetter(target: Target): boolean {
  return 'dead' in target
}

function always(): boolean {
  return true
}
