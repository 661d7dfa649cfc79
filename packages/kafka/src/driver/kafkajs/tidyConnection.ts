import type { Socket } from 'node:net'

/*
 * kafkajs 2.2.4 keeps one object for the connections to a broker that follow each other, and mixes what they receive: the
 * half of an answer that a broken connection left stands before what the next one brings, connections that are opened at
 * the same time write into one buffer, and so does one that is only being closed. From then on answers are read from the
 * wrong byte: requests time out, or a RangeError in a listener of the socket ends the process (its issue 715). A
 * connection that breaks while it logs in leaves the login waiting for ever. Here connections follow each other cleanly.
 */

/** What kafkajs needs before it looks at what has come: the length of an answer. */
const lengthBytes = 4

/** Mends one connection of kafkajs; false, and nothing is changed, when it looks different from what we know. */
export function tidyConnection(candidate: unknown): boolean {
  if (!isConnection(candidate)) return false
  const connection = candidate
  const { connect, processData } = connection
  let opening: Promise<unknown> | undefined

  async function open(): Promise<unknown> {
    // It was only half closed: what the broker still has to say would be taken for an answer of the next one.
    connection.socket?.destroy()
    connection.chunks = []
    connection.bytesBuffered = 0
    connection.bytesNeeded = lengthBytes
    // Of a login that ended between two steps: it would take the first answer for its own.
    connection.authHandlers?.onError()
    const connected = connect.call(connection)
    const { socket } = connection
    socket?.once('close', () => {
      if (connection.socket === socket) connection.authHandlers?.onError()
    })
    try {
      return await connected
    } catch (error) {
      // One that was given up may still be connected later, and be taken for the next.
      socket?.destroy()
      throw error
    }
  }

  connection.connect = () => {
    if (connection.isConnected()) return Promise.resolve(true)
    opening ??= open().finally(() => (opening = undefined))
    return opening
  }
  connection.processData = (data) => {
    try {
      processData.call(connection, data)
    } catch (error) {
      // What follows cannot be understood either; kafkajs fails what waits for it, and connects anew.
      connection.socket?.destroy(error as Error)
    }
  }
  return true
}

/** A connection of kafkajs, as far as it matters. */
interface Connection {
  socket?: Pick<Socket, 'destroy' | 'once'>
  chunks: unknown[]
  bytesBuffered: number
  bytesNeeded: number
  readonly authHandlers: { onError(): void } | null
  isConnected(): boolean
  connect: () => Promise<unknown>
  processData: (data: Buffer) => void
}

function isConnection(value: unknown): value is Connection {
  if (typeof value !== 'object' || value === null) return false
  const connection = value as Partial<Connection>
  return (
    Array.isArray(connection.chunks) &&
    connection.bytesBuffered === 0 &&
    connection.bytesNeeded === lengthBytes &&
    connection.authHandlers === null &&
    [connection.isConnected, connection.connect, connection.processData].every((one) => typeof one === 'function')
  )
}
