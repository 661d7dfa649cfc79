import { codeOf, createService, defineEvent, on, onBatch } from '@posthorn/core'
import { createKafka } from '@posthorn/kafka'
import { createMemory, createMemoryBroker } from '@posthorn/memory'
import { serveMonitoring } from '@posthorn/monitoring'
import { createPrometheus } from '@posthorn/monitoring/prometheus'
import { createOpenTelemetry } from '@posthorn/opentelemetry'
import { createInbox, createMemoryStore, createOutbox, createRelay } from '@posthorn/outbox'
import { createPostgresStore, grantSql, migrationSql } from '@posthorn/postgres'
import { createRabbitMq } from '@posthorn/rabbitmq'
import { describe, expect, test } from 'vitest'
import { readPage, rowsOf, sectionsOf } from './markdown.js'
import { optionsOf } from './sourceOptions.js'
import type { SourceOption } from './sourceOptions.js'

const page = sectionsOf(readPage('docs/reference/options.md'))
const contract = defineEvent({ type: 'docs.options.v1', destination: 'options', schema: { type: 'object' } })
const bogus = { bogus: 1 }
const unknown = bogus as never

const makeService = (): ReturnType<typeof createService> =>
  createService({ source: '/docs', transport: createMemory(), publishes: [contract] })
const consume = (options: object): unknown =>
  makeService().consume('docs', { handlers: [on(contract, () => {})], ...options })

/** A table of the page: the interfaces that it describes, and a call that refuses an unknown option of it. */
interface Table {
  readonly heading: string
  readonly interfaces: readonly (readonly SourceOption[])[]
  readonly refuse: (() => unknown) | undefined
}

const tables: readonly Table[] = [
  {
    heading: 'createService(options)',
    interfaces: ['MessageKitOptions', 'KitOptions', 'MessageSettings', 'PublisherSettings'].map((name) =>
      optionsOf('core', name),
    ),
    refuse: () => createService({ source: '/docs', transport: createMemory(), ...bogus }),
  },
  {
    heading: 'limits',
    interfaces: [optionsOf('core', 'Limits')],
    refuse: () => createService({ source: '/docs', transport: createMemory(), limits: unknown }),
  },
  {
    heading: 'logs',
    interfaces: [optionsOf('core', 'LogOptions')],
    refuse: () => createService({ source: '/docs', transport: createMemory(), logs: unknown }),
  },
  {
    heading: 'service.start(options)',
    interfaces: [optionsOf('core', 'StartOptions')],
    refuse: () => makeService().start(unknown),
  },
  {
    heading: 'service.stop(options)',
    interfaces: [optionsOf('core', 'StopOptions')],
    refuse: () => makeService().stop(unknown),
  },
  {
    heading: 'service.consume(group, options)',
    interfaces: [optionsOf('core', 'ConsumerOptions')],
    refuse: () => consume(unknown),
  },
  {
    heading: 'retry',
    interfaces: [optionsOf('core', 'RetryOptions')],
    refuse: () => consume({ retry: unknown }),
  },
  {
    heading: 'order',
    interfaces: [optionsOf('core', 'OrderOptions')],
    refuse: () => consume({ order: unknown }),
  },
  {
    heading: 'onBatch(contract, handler, options)',
    interfaces: [optionsOf('core', 'BatchOptions')],
    refuse: () => onBatch(contract, () => {}, unknown),
  },
  {
    heading: 'service.publish(contract, data, options)',
    interfaces: [
      optionsOf('core', 'EnvelopeOptions'),
      optionsOf('core', 'MessageOptions'),
      optionsOf('core', 'PublishOptions'),
    ],
    refuse: async () => {
      const service = makeService()
      await service.start()
      try {
        await service.publish(contract, {}, unknown)
      } finally {
        await service.stop()
      }
    },
  },
  {
    heading: 'createMemory(options)',
    interfaces: [optionsOf('memory', 'MemoryOptions'), optionsOf('memory', 'MemoryBrokerOptions')],
    refuse: () => createMemory(unknown),
  },
  {
    heading: 'createRabbitMq(options)',
    interfaces: [optionsOf('rabbitmq', 'RabbitMqOptions')],
    refuse: () => createRabbitMq({ urls: ['amqp://localhost'], ...bogus }),
  },
  {
    heading: 'createRabbitMq: reconnect',
    interfaces: [optionsOf('rabbitmq', 'RabbitMqOptions', 'reconnect')],
    refuse: () => createRabbitMq({ urls: ['amqp://localhost'], reconnect: unknown }),
  },
  {
    heading: 'createRabbitMq: topology',
    interfaces: [optionsOf('rabbitmq', 'TopologyOptions')],
    refuse: () => createRabbitMq({ urls: ['amqp://localhost'], topology: unknown }),
  },
  {
    heading: 'createRabbitMq: topology.destinations',
    interfaces: [optionsOf('rabbitmq', 'DestinationMapping')],
    refuse: () => createRabbitMq({ urls: ['amqp://localhost'], topology: { destinations: { orders: unknown } } }),
  },
  {
    heading: 'createRabbitMq: topology.groups',
    interfaces: [optionsOf('rabbitmq', 'GroupMapping')],
    refuse: () => createRabbitMq({ urls: ['amqp://localhost'], topology: { groups: { 'orders.billing': unknown } } }),
  },
  {
    heading: 'createRabbitMq: topology.groups.bindings',
    interfaces: [optionsOf('rabbitmq', 'BindingMapping')],
    refuse: () =>
      createRabbitMq({
        urls: ['amqp://localhost'],
        topology: { groups: { 'orders.billing': { bindings: [unknown] } } },
      }),
  },
  {
    heading: 'createKafka(options)',
    interfaces: [optionsOf('kafka', 'KafkaOptions')],
    refuse: () => createKafka({ brokers: ['localhost:9092'], ...bogus }),
  },
  {
    heading: 'createKafka: reconnect',
    interfaces: [optionsOf('kafka', 'KafkaOptions', 'reconnect')],
    refuse: () => createKafka({ brokers: ['localhost:9092'], reconnect: unknown }),
  },
  {
    heading: 'createKafka: topology',
    interfaces: [optionsOf('kafka', 'TopologyOptions')],
    refuse: () => createKafka({ brokers: ['localhost:9092'], topology: unknown }),
  },
  {
    heading: 'createKafka: topology.destinations',
    interfaces: [optionsOf('kafka', 'DestinationMapping')],
    refuse: () => createKafka({ brokers: ['localhost:9092'], topology: { destinations: { orders: unknown } } }),
  },
  {
    heading: 'createKafka: topology.groups',
    interfaces: [optionsOf('kafka', 'GroupMapping')],
    refuse: () => createKafka({ brokers: ['localhost:9092'], topology: { groups: { 'orders.billing': unknown } } }),
  },
  {
    heading: 'createOpenTelemetry(options)',
    interfaces: [optionsOf('opentelemetry', 'OpenTelemetryOptions')],
    refuse: () => createOpenTelemetry(unknown),
  },
  {
    heading: 'serveMonitoring(options)',
    interfaces: [optionsOf('monitoring', 'MonitoringOptions')],
    refuse: () => serveMonitoring({ subjects: { docs: makeService() }, ...bogus }),
  },
  {
    heading: 'createPrometheus(options)',
    interfaces: [optionsOf('monitoring', 'PrometheusOptions')],
    refuse: () => createPrometheus(unknown),
  },
  {
    heading: 'createOutbox(options)',
    interfaces: [
      ...['MessageKitOptions', 'MessageSettings', 'MessageFactoryOptions'].map((name) => optionsOf('core', name)),
      optionsOf('outbox', 'OutboxOptions'),
    ],
    refuse: () => createOutbox({ source: '/docs', store: createMemoryStore(), ...bogus }),
  },
  {
    heading: 'outbox.publish(tx, contract, data, options)',
    interfaces: ['EnvelopeOptions', 'MessageOptions', 'LaterMessageOptions'].map((name) => optionsOf('core', name)),
    refuse: () => {
      const store = createMemoryStore()
      return createOutbox({ source: '/docs', store }).publish(store.begin(), contract, {}, unknown)
    },
  },
  {
    heading: 'createInbox(options)',
    interfaces: [optionsOf('outbox', 'InboxOptions')],
    refuse: () => createInbox({ store: createMemoryStore(), ...bogus }),
  },
  {
    heading: 'createRelay(options)',
    interfaces: [optionsOf('outbox', 'RelayOptions')],
    refuse: () => createRelay({ store: createMemoryStore(), ...bogus }),
  },
  {
    heading: 'relay.start(options)',
    interfaces: [optionsOf('outbox', 'RelayStartOptions')],
    refuse: () => createRelay({ store: createMemoryStore(), transport: createMemory() }).start(unknown),
  },
  {
    heading: 'relay.stop(options)',
    interfaces: [optionsOf('outbox', 'RelayStopOptions')],
    refuse: () => createRelay({ store: createMemoryStore() }).stop(unknown),
  },
  {
    heading: 'posthorn-relay: the configuration',
    interfaces: [optionsOf('outbox', 'RelayConfig')],
    refuse: undefined, // The executable's own tests: it refuses with an exit code.
  },
  {
    heading: 'posthorn-relay: health',
    interfaces: [optionsOf('outbox', 'HealthAddress')],
    refuse: undefined,
  },
  {
    heading: 'createMemoryStore(options)',
    interfaces: [optionsOf('outbox', 'MemoryStoreOptions')],
    refuse: () => createMemoryStore(unknown),
  },
  {
    heading: 'createPostgresStore(options)',
    interfaces: [optionsOf('postgres', 'PostgresStoreOptions')],
    refuse: () => createPostgresStore(unknown),
  },
  {
    heading: 'migrate(database, options)',
    interfaces: [optionsOf('postgres', 'MigrateOptions')],
    refuse: () => migrationSql(unknown),
  },
  {
    heading: 'grantSql(options)',
    interfaces: [optionsOf('postgres', 'GrantOptions')],
    refuse: () => grantSql(unknown),
  },
  {
    heading: 'createHarness(make, options)',
    interfaces: [optionsOf('testing', 'HarnessOptions')],
    refuse: undefined,
  },
]

const withoutTicks = (text: string): string => text.replaceAll('`', '')

/** The rows of one table, without its head: option, value, default, text. */
function optionRows(heading: string): readonly (readonly string[])[] {
  const section = page.get(heading)
  if (section === undefined) throw new Error(`options.md has no heading "${heading}"`)
  return rowsOf(section).filter(([name]) => name?.startsWith('`'))
}

const documented = (heading: string): string[] => optionRows(heading).map(([name = '']) => withoutTicks(name))

/** What the code itself says that it knows, in the refusal of an option that it does not. */
async function knownTo(refuse: () => unknown): Promise<string[]> {
  const error: unknown = await Promise.resolve()
    .then(refuse)
    .then(
      () => undefined,
      (reason: unknown) => reason,
    )
  expect(codeOf(error)).toBe('POSTHORN_CONFIGURATION')
  const problems = (error as { details: { problems: string[] } }).details.problems
  const list = problems.map((problem) => /bogus is no known option; known are (.*)$/.exec(problem)?.[1])
  return list.find((known) => known !== undefined)?.split(', ') ?? []
}

describe.each(tables)('$heading', ({ heading, interfaces, refuse }) => {
  const declared = interfaces.flat()

  test('the page lists every option of the type, and no other', () => {
    expect(declared.length).toBeGreaterThan(0)
    expect(documented(heading).toSorted()).toEqual(declared.map(({ name }) => name).toSorted())
  })

  if (refuse !== undefined) {
    test('the code takes every option that the page lists, and no other', async () => {
      expect(documented(heading).toSorted()).toEqual((await knownTo(refuse)).toSorted())
    })
  }

  test('defaults are those of the source', () => {
    const defaults = new Map(optionRows(heading).map(([name = '', , value = '']) => [withoutTicks(name), value]))
    for (const { name, defaultText } of declared) {
      const shown = withoutTicks(defaults.get(name) ?? '')
      if (defaultText === undefined) expect(shown, name).not.toBe('')
      else expect(`${withoutTicks(defaultText)}:`, name).toContain(`${shown}:`)
    }
  })

  test('every option says what it does', () => {
    for (const [name, value, , text] of optionRows(heading)) {
      expect(value, name).not.toBe('')
      expect(text?.length, name).toBeGreaterThan(10)
    }
  })
})

test('createMemoryBroker takes what createMemory takes, but the broker', async () => {
  const known = await knownTo(() => createMemoryBroker(unknown))
  expect([...known, 'broker'].toSorted()).toEqual(documented('createMemory(options)').toSorted())
})

test('required options are marked, and they alone', () => {
  const marked = (heading: string): string[] =>
    optionRows(heading)
      .filter(([, , value]) => value === 'required')
      .map(([name = '']) => withoutTicks(name))
  expect(marked('createService(options)')).toEqual(['source', 'transport'])
  expect(marked('service.consume(group, options)')).toEqual(['handlers'])
  expect(marked('order')).toEqual(['by'])
  expect(marked('createRabbitMq(options)')).toEqual(['urls'])
  expect(marked('createKafka(options)')).toEqual(['brokers'])
  expect(marked('createOutbox(options)')).toEqual(['source', 'store'])
  expect(marked('createInbox(options)')).toEqual(['store'])
})
