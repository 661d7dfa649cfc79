import type { WireMessage } from '@posthorn/core/adapter'
import type { Address } from './topologyMap.js'

/** How the publishes of one channel reach the socket. */
export interface PublishWriter {
  /** Takes a message for the wire; false when the buffer wants a pause (it is taken). Throws when it has no encoding. */
  write(message: WireMessage, address: Address): boolean
  /** Hands over what was taken, instead of at the end of this turn of the event loop. */
  flush(): void
  /** The channel is gone: nothing is handed over any more. */
  stop(): void
  /** So many of the messages taken were handed to the socket; the others surely never left. */
  readonly handedOverCount: number
  /** So many of the messages taken have left the process entirely, as far as the writer can tell. */
  readonly leftCount: number
  /** Whether every publish leaves something behind in amqplib, so that its channel must not grow old. */
  readonly wearsChannel: boolean
}

/** Told what the broker answers; must not throw. */
export interface WriterListener {
  /** With an error when the broker refused. */
  answered(tag: number, multiple: boolean, refusal?: Error): void
  /** The buffer has room again. */
  drained(): void
  /** Bytes have left the process; called before they count in `leftCount`. */
  progressed(): void
}
