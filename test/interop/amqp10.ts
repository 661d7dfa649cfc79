import { inspect } from 'node:util'
import { create_container, message as amqpMessage } from 'rhea'
import type { Connection, EventContext, Message, Sender } from 'rhea'

/** What the broker said of a message: `released` is one that no queue took. */
export type Amqp10Outcome = 'accepted' | 'released' | 'rejected'

/** A connection of an AMQP 1.0 client; addresses are those of RabbitMQ 4 (`/queues/…`, `/exchanges/…`). */
export interface Amqp10Client extends AsyncDisposable {
  send(address: string, message: Message): Promise<Amqp10Outcome>
  /** Takes one message, and settles it. */
  read(address: string): Promise<Message>
}

/** A body of plain bytes, as most AMQP 1.0 clients send it. */
export const dataSection = (text: string | Buffer): unknown => amqpMessage.data_section(Buffer.from(text))

/** The bytes of a body that came as a data section. */
export function bytesOf({ body }: Message): Buffer {
  const section = body as { readonly typecode: number; readonly content: Buffer }
  if (section.typecode !== 0x75) throw new Error(`The body is no data section but ${JSON.stringify(body)}`)
  return section.content
}

/** Connects rhea; rejects when the broker speaks no AMQP 1.0. */
export async function connectAmqp10(url: string): Promise<Amqp10Client> {
  const { hostname, port, username, password } = new URL(url)
  const connection = create_container().connect({
    host: hostname,
    port: Number(port || 5672),
    username: decodeURIComponent(username),
    password: decodeURIComponent(password),
    reconnect: false,
  })
  await first(connection, 'connection_open')
  return {
    send: (address, message) => send(connection, address, message),
    read: (address) => read(connection, address),
    async [Symbol.asyncDispose]() {
      const closed = first(connection, 'connection_close')
      connection.close()
      await closed
    },
  }
}

async function send(connection: Connection, address: string, message: Message): Promise<Amqp10Outcome> {
  const sender: Sender = connection.open_sender(address)
  await first(sender, 'sendable')
  const outcomes = (['accepted', 'released', 'rejected'] as const).map((name) => first(sender, name).then(() => name))
  for (const unused of outcomes) unused.catch(() => {}) // Whichever comes is the one that is awaited.
  sender.send(message)
  const outcome = await Promise.race(outcomes)
  sender.close()
  return outcome
}

async function read(connection: Connection, address: string): Promise<Message> {
  const receiver = connection.open_receiver({ source: address, credit_window: 0, autoaccept: false })
  const arriving = first(receiver, 'message')
  receiver.add_credit(1)
  const { message, delivery } = await arriving
  delivery!.accept()
  const settled = first(receiver, 'receiver_close')
  receiver.close()
  await settled
  return message!
}

interface Emitter {
  once(event: string, listener: (context: EventContext) => void): unknown
}

/** The next event of this name; rejects when the connection or the link fails first, so that nothing hangs. */
function first(emitter: object, event: string): Promise<EventContext> {
  const failures = ['connection_error', 'disconnected', 'session_error', 'sender_error', 'receiver_error']
  return new Promise((resolve, reject) => {
    ;(emitter as Emitter).once(event, resolve)
    for (const failure of failures) {
      ;(emitter as Emitter).once(failure, (context) => reject(new Error(`${failure}: ${reasonOf(context)}`)))
    }
  })
}

function reasonOf({ connection, sender, receiver, error }: EventContext): string {
  return inspect(sender?.error ?? receiver?.error ?? connection?.error ?? error)
}
