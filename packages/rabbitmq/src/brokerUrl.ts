import type { Options } from 'amqplib'

/** One node to connect to. */
export interface Broker {
  /** For people: scheme, host and port, never credentials. */
  readonly address: string
  readonly secure: boolean
  /** Whether the address has a user name or a password in it. */
  readonly namesUser: boolean
  /** What amqplib connects with; holds the password, so it is never logged. */
  readonly connect: Options.Connect
}

const schemes = new Map([
  ['amqp:', 5672],
  ['amqps:', 5671],
])

/**
 * Takes an address apart, or says what is wrong with it without repeating it: addresses hold passwords, and so does
 * the error of `new URL`.
 */
export function parseBrokerUrl(value: unknown, path: string): Broker | string {
  if (typeof value !== 'string') return `${path} must be a string`
  let url: URL
  try {
    url = new URL(value)
  } catch {
    return `${path} must be an address like amqp://user:password@host:5672/vhost`
  }
  const defaultPort = schemes.get(url.protocol)
  if (defaultPort === undefined) return `${path} must begin with amqp:// or amqps://`
  if (url.hostname === '') return `${path} has no host`
  if (url.search !== '' || url.hash !== '') return `${path} must have no query: use the options of createRabbitMq`
  const vhost = url.pathname.replace(/^\//, '')
  if (vhost.includes('/')) return `${path}: write a / in the name of a virtual host as %2F`
  const credentials = credentialsOf(url)
  if (credentials === undefined || decoded(vhost) === undefined) return `${path} has a % that is no escape: write %25`
  const port = url.port === '' ? defaultPort : Number(url.port)
  return {
    address: `${url.protocol}//${url.hostname}:${port}`,
    secure: url.protocol === 'amqps:',
    namesUser: url.username !== '' || url.password !== '',
    connect: {
      protocol: url.protocol.slice(0, -1),
      hostname: url.hostname.replace(/^\[|\]$/g, ''),
      port,
      ...credentials,
      // amqplib unescapes it, also in this form.
      ...(vhost === '' ? {} : { vhost }),
    },
  }
}

function credentialsOf(url: URL): { username: string; password: string } | undefined {
  if (url.username === '' && url.password === '') return { username: 'guest', password: 'guest' }
  const username = decoded(url.username)
  const password = decoded(url.password)
  return username === undefined || password === undefined ? undefined : { username, password }
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
