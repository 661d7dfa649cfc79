/** The versions that the stack can run, newest last: the last one is what a bare name means. */
export const versions = {
  rabbitmq: ['3.10', '4.0', '4.3'],
  kafka: ['3.9', '4.3'],
  postgres: ['15', '18'],
} as const

export type KindName = keyof typeof versions
/** With what `up` does not start: the one stands before a server, the other reads what a test gives it. */
export type ServerName = KindName | 'pgbouncer' | 'prometheus'
export type RabbitMqVersion = (typeof versions.rabbitmq)[number]
export type KafkaVersion = (typeof versions.kafka)[number]
export type PostgresVersion = (typeof versions.postgres)[number]

/** One thing to run: what, which version, how many nodes. `name` is how a person writes it. */
export interface Target {
  readonly name: string
  readonly kind: ServerName
  readonly version: string
  readonly nodes: number
}

export const kindNames = Object.keys(versions) as KindName[]

const newest = (kind: KindName): string => versions[kind].at(-1) as string

/** Every name that `up` accepts, in the order of the help text. */
export const targetNames: readonly string[] = [
  ...versions.rabbitmq.map((version) => `rabbitmq@${version}`),
  'rabbitmq-cluster',
  ...versions.kafka.map((version) => `kafka@${version}`),
  'kafka-cluster',
  'postgres@15',
  'postgres',
]

export const targetOf = (kind: KindName, version = newest(kind), nodes = 1): Target => {
  const versioned = (kind === 'postgres' || nodes > 1) && version === newest(kind) ? '' : `@${version}`
  return { name: `${kind}${nodes > 1 ? '-cluster' : ''}${versioned}`, kind, version, nodes }
}

/** Before a PostgreSQL; of the version that the machine's packages have. */
export const pgBouncerTarget: Target = { name: 'pgbouncer', kind: 'pgbouncer', version: '1', nodes: 1 }

/** Of the version that the machine's packages have. */
export const prometheusTarget: Target = { name: 'prometheus', kind: 'prometheus', version: '2', nodes: 1 }

/** Reads `rabbitmq`, `rabbitmq@4.0`, `kafka-cluster`, `postgres`; anything else throws with the list of names. */
export const parseTarget = (text: string): Target => {
  const match = /^([a-z]+)(-cluster)?(?:@(.+))?$/.exec(text.trim())
  const kind = kindNames.find((name) => name === match?.[1])
  const cluster = match?.[2] !== undefined
  if (kind === undefined || (cluster && kind === 'postgres')) throw unknownTarget(text)
  const version = match?.[3] ?? newest(kind)
  if (!(versions[kind] as readonly string[]).includes(version)) throw unknownTarget(text)
  return targetOf(kind, version, cluster ? 3 : 1)
}

const unknownTarget = (text: string): Error =>
  new Error(`unknown target '${text}': choose from ${targetNames.join(', ')} (rabbitmq and kafka mean the newest)`)
