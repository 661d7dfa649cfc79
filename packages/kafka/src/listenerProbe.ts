import net from 'node:net'
import tls from 'node:tls'
import type { Clock } from '@posthorn/core/adapter'
import { byDeadline } from './byDeadline.js'
import { DriverError } from './driver/driverError.js'
import type { Settings } from './options.js'

/** What a listener answers to the first step of a login, whatever we are allowed to do there. */
type Finding =
  /** It speaks TLS, and not what we said. */
  | 'tls'
  /** It wants no login. */
  | 'open'
  /** It wants one of these logins. */
  | readonly string[]

/** Kafka's error for a login with a mechanism that it does not have: then it lists those that it has. */
const unsupportedMechanism = 33
const probeTimeoutMs = 2_000

/**
 * Why brokers that are there hang up on us: TLS on one side only, or a login that they want. Asks each of them once, by
 * itself, since a client only sees that the connection was closed. Undefined when one of them suits us, or none answers.
 */
export async function explainHangUp(settings: Settings, clock: Clock): Promise<DriverError | undefined> {
  const explanations = await Promise.all(settings.brokers.map((broker) => explanationOf(broker, settings, clock)))
  return explanations.includes('fits') ? undefined : explanations.find((found) => found instanceof DriverError)
}

async function explanationOf(
  broker: string,
  settings: Settings,
  clock: Clock,
): Promise<DriverError | 'fits' | undefined> {
  const plain = await ask(connectTo(broker, undefined), clock)
  if (settings.tls === false) {
    if (plain === 'tls') return problem('tls', 'this port speaks TLS. Set the option tls, or use the port without it')
    return plain === undefined ? undefined : loginProblem(plain, settings)
  }
  if (plain !== undefined && plain !== 'tls') {
    const advice = "Use the port of the broker's TLS listener, or leave the option tls away"
    return problem('tls', `this port does not speak TLS. ${advice}`)
  }
  const secure = await ask(connectTo(broker, settings.tls === true ? {} : settings.tls), clock)
  return secure === undefined || secure === 'tls' ? undefined : loginProblem(secure, settings)
}

function loginProblem(finding: Exclude<Finding, 'tls'>, { sasl }: Settings): DriverError | 'fits' {
  if (finding === 'open' || sasl !== undefined) return 'fits'
  return problem('authentication', `it wants a login with ${finding.join(' or ')}: set the option sasl`)
}

function problem(kind: 'tls' | 'authentication', message: string): DriverError {
  return new DriverError({ kind, message, written: 'no' })
}

function connectTo(broker: string, secure: tls.ConnectionOptions | undefined): net.Socket {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(broker) ?? []
  const where = { host, port: Number(port) }
  try {
    if (secure === undefined) return net.connect(where)
    return tls.connect({ ...where, ...(net.isIP(host) === 0 ? { servername: host } : {}), ...secure })
  } catch (error) {
    return new net.Socket().destroy(error as Error)
  }
}

/** A login without a mechanism: refused by every listener, each in its way. */
function ask(socket: net.Socket, clock: Clock): Promise<Finding | undefined> {
  let answer = Buffer.alloc(0)
  const found = new Promise<Finding | undefined>((resolve) => {
    socket.on('error', () => resolve(undefined))
    socket.on('close', () => resolve(undefined))
    socket.on('data', (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk])
      const finding = findingOf(answer)
      if (finding !== undefined) resolve(finding)
    })
  })
  socket.write(saslHandshake())
  return byDeadline(found, { clock, deadline: clock.monotonic() + probeTimeoutMs }).finally(() => socket.destroy())
}

/** SaslHandshake, version 1, correlation id 0, no client id, an empty name. */
function saslHandshake(): Buffer {
  return Buffer.from([0, 0, 0, 12, 0, 17, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0, 0])
}

function findingOf(answer: Buffer): Finding | undefined {
  // A TLS record of the type alert, of version 3; as the length of an answer it would be 350 MiB.
  if (answer[0] === 0x15 && answer[1] === 0x03) return 'tls'
  if (answer.length < 4 || answer.length < 4 + answer.readInt32BE(0)) return undefined
  if (answer.readInt16BE(8) !== unsupportedMechanism) return 'open'
  const mechanisms: string[] = []
  for (let left = answer.readInt32BE(10), at = 14; left > 0; left -= 1) {
    const end = at + 2 + answer.readInt16BE(at)
    mechanisms.push(answer.toString('utf8', at + 2, end))
    at = end
  }
  return mechanisms
}
