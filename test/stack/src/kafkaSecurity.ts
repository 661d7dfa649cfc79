import { X509Certificate } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { clientName, makeCertificates, readCertificates } from './certificates.js'
import type { ServerCertificate, TestCertificates } from './certificates.js'
import type { Instance, InstanceNode } from './instances.js'
import { ask, onLoopback } from './probes.js'
import type { Progress } from './progress.js'

/** A user that a Kafka with `sasl` knows, by PLAIN and by both SCRAMs. */
export interface KafkaUser {
  readonly username: string
  readonly password: string
}

/** Who may do everything, as anybody may who comes in without a login; and who may do nothing without an ACL. */
export const kafkaUsers = {
  admin: { username: 'admin', password: 'admin-secret' },
  limited: { username: 'limited', password: 'limited-secret' },
} as const satisfies Readonly<Record<string, KafkaUser>>

/** Addresses of the listeners that a Kafka has beside the plain one. */
export interface KafkaListeners {
  /** TLS, without a login. By name, as the valid certificate wants it, though it is good for the address, too. */
  readonly tls: string[]
  /** SASL without TLS. */
  readonly sasl: string[]
  /** SASL over TLS. */
  readonly saslTls: string[]
}

/** The ports of a broker's listeners with security; reserved for every broker, whether it listens there or not. */
export const securePorts = ['tls', 'sasl', 'saslTls'] as const

const listenerNames = { tls: 'SSL', sasl: 'SASL_PLAINTEXT', saslTls: 'SASL_SSL' } as const
const tlsFolder = (instance: Instance): string => join(instance.folder, 'tls')

const listenersOf = ({ tls, sasl }: Instance): (keyof typeof listenerNames)[] => [
  ...(tls === undefined ? [] : (['tls'] as const)),
  ...(sasl === undefined ? [] : (['sasl'] as const)),
  ...(tls === undefined || sasl === undefined ? [] : (['saslTls'] as const)),
]

const tlsListenersOf = (instance: Instance): ('tls' | 'saslTls')[] =>
  listenersOf(instance).filter((name) => name !== 'sasl')

/** `NAME://host:port` of each listener with security, as `listeners` and `advertised.listeners` want them. */
export const secureListeners = (instance: Instance, node: InstanceNode, host: string): string[] =>
  listenersOf(instance).map((name) => `${listenerNames[name]}://${host}:${node.ports[name]}`)

/** Protocol of each listener with security, as `listener.security.protocol.map` wants them: named after it. */
export const secureProtocols = (instance: Instance): string[] =>
  listenersOf(instance).map((name) => `${listenerNames[name]}:${listenerNames[name]}`)

/** What a broker's properties say of its certificates, logins and rights. */
export const securityLines = (instance: Instance): string[] => [
  ...(instance.tls === undefined ? [] : tlsLines(instance, instance.tls.verifyPeer === true)),
  ...(instance.sasl === undefined ? [] : saslLines(instance)),
]

const tlsLines = (instance: Instance, verifyPeer: boolean): string[] => [
  'ssl.keystore.type=PEM',
  `ssl.keystore.location=${keystoreOf(instance, 'valid')}`,
  'ssl.truststore.type=PEM',
  `ssl.truststore.location=${join(tlsFolder(instance), 'ca.pem')}`,
  `ssl.client.auth=${verifyPeer ? 'required' : 'none'}`,
  // Otherwise a certificate is replaced by one with the same names only.
  'ssl.allow.dn.changes=true',
  'ssl.allow.san.changes=true',
  // Each thread has certificates of its own, and gets others at a time of its own.
  'num.network.threads=1',
]

const modules = 'org.apache.kafka.common.security'

const saslLines = (instance: Instance): string[] => {
  const users = Object.values(kafkaUsers).map(({ username, password }) => `user_${username}="${password}"`)
  // Tokens are taken without a signature.
  const logins = [
    ['plain', `${modules}.plain.PlainLoginModule required ${users.join(' ')};`],
    ['scram-sha-256', `${modules}.scram.ScramLoginModule required;`],
    ['scram-sha-512', `${modules}.scram.ScramLoginModule required;`],
    ['oauthbearer', `${modules}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`],
  ]
  const listeners = listenersOf(instance).filter((name) => name !== 'tls')
  const { maxReauthMs, mechanisms = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'] } = instance.sasl ?? {}
  return [
    `sasl.enabled.mechanisms=${mechanisms.join(',')}`,
    ...listeners.flatMap((name) =>
      logins.map(([login, module]) => {
        return `listener.name.${listenerNames[name].toLowerCase()}.${login}.sasl.jaas.config=${module}`
      }),
    ),
    ...(maxReauthMs === undefined ? [] : [`connections.max.reauth.ms=${maxReauthMs}`]),
    'authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    `super.users=User:ANONYMOUS;User:${kafkaUsers.admin.username};User:CN=${clientName}`,
    'allow.everyone.if.no.acl.found=false',
  ]
}

/** Arguments of `format` that make the users of SCRAM; those of PLAIN stand in the properties. */
export const scramArguments = ({ sasl }: Instance): string[] =>
  sasl === undefined
    ? []
    : ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) =>
        Object.values(kafkaUsers).flatMap(({ username, password }) => [
          '--add-scram',
          `${mechanism}=[name=${username},password=${password}]`,
        ]),
      )

const keystoreOf = (instance: Instance, name: ServerCertificate): string =>
  join(tlsFolder(instance), `${name}.keystore.pem`)

/** Makes the certificates of an instance with TLS. */
export const prepareCertificates = async (instance: Instance, progress: Progress): Promise<void> => {
  if (instance.tls === undefined) return
  const folder = tlsFolder(instance)
  mkdirSync(folder)
  await makeCertificates(folder, progress)
  for (const name of ['valid', 'wrongHost', 'expired'] as const) {
    const parts = [`${name}.key`, `${name}.pem`].map((file) => readFileSync(join(folder, file), 'utf8'))
    writeFileSync(keystoreOf(instance, name), parts.join(''))
  }
}

/** The listeners with security of an instance; none for one without. */
export const kafkaListeners = (instance: Instance): KafkaListeners => {
  const addresses = (name: keyof typeof listenerNames): string[] =>
    listenersOf(instance).includes(name) ? instance.nodes.map((node) => `localhost:${node.ports[name]}`) : []
  return { tls: addresses('tls'), sasl: addresses('sasl'), saslTls: addresses('saslTls') }
}

/** The certificates that the clients of an instance with TLS need; undefined for others. */
export const kafkaCertificates = (instance: Instance): TestCertificates | undefined =>
  instance.tls === undefined ? undefined : readCertificates(tlsFolder(instance))

const maxAttempts = 15

/** Lets a node show another certificate on all its listeners with TLS; the broker is done with it some time later. */
export const changeCertificate = async (
  instance: Instance,
  node: InstanceNode,
  name: ServerCertificate,
): Promise<void> => {
  if (instance.tls === undefined) throw new Error(`${instance.id} was started without tls`)
  const keys = tlsListenersOf(instance).map((listener) => {
    return `listener.name.${listenerNames[listener].toLowerCase()}.ssl.keystore.location`
  })
  const request = alterBrokerRequest(node.index, keys, keystoreOf(instance, name))
  const attempt = (): Promise<number | undefined> =>
    ask(onLoopback(node.ports['broker']), request, (answer) =>
      answer.length < 18 ? undefined : answer.readInt16BE(16),
    )
  // A busy machine takes its time; asking twice does no harm.
  let errorCode: number | undefined
  for (let left = maxAttempts; left > 0 && errorCode === undefined; left -= 1) errorCode = await attempt()
  if (errorCode !== 0) throw new Error(`${instance.id} did not take the certificate: error ${errorCode}`)
}

// A tool of Kafka's would take some seconds for it.
const alterBrokerRequest = (id: number, keys: readonly string[], value: string): Buffer => {
  const number = (bytes: number, it: number): Buffer => {
    const buffer = Buffer.alloc(bytes)
    buffer.writeIntBE(it, 0, bytes)
    return buffer
  }
  const text = (it: string): Buffer => Buffer.concat([number(2, Buffer.byteLength(it)), Buffer.from(it)])
  // AlterConfigs, version 0, correlation id 1; one resource, of the kind broker; not only validated.
  const header = [number(2, 33), number(2, 0), number(4, 1), text('posthorn')]
  const configs = [number(4, keys.length), ...keys.flatMap((key) => [text(key), text(value)])]
  const body = Buffer.concat([...header, number(4, 1), number(1, 4), text(`${id}`), ...configs, number(1, 0)])
  return Buffer.concat([number(4, body.length), body])
}

/** Whether all listeners with TLS of a node show that certificate now. */
export const showsCertificate = async (
  instance: Instance,
  node: InstanceNode,
  name: ServerCertificate,
): Promise<boolean> => {
  const wanted = new X509Certificate(readFileSync(join(tlsFolder(instance), `${name}.pem`))).fingerprint256
  const shown = await Promise.all(
    tlsListenersOf(instance).map((listener) => fingerprintAt(node.ports[listener] as number)),
  )
  return shown.every((fingerprint) => fingerprint === wanted)
}

const fingerprintAt = (port: number): Promise<string | undefined> =>
  new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().fingerprint256)
      socket.destroy()
    })
    socket.on('error', () => resolve(undefined))
  })

/** A token as the broker takes it: whose it is and how long it is good, without a signature. Negative: it has expired. */
export const unsecuredToken = (subject: string, lifetimeMs: number): string => {
  const nowMs = Date.now()
  const part = (json: object): string => Buffer.from(JSON.stringify(json)).toString('base64url')
  const issuedMs = Math.min(nowMs, nowMs + lifetimeMs) - 60_000
  return `${part({ alg: 'none' })}.${part({ sub: subject, iat: issuedMs / 1_000, exp: (nowMs + lifetimeMs) / 1_000 })}.`
}
