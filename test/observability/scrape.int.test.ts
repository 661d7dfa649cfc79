import { join } from 'node:path'
import { acquireKafka, acquirePostgres, acquirePrometheus, acquireRabbitMq } from '../stack/src/index.js'
import type { Prometheus, RabbitMq } from '../stack/src/index.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startDemo } from './demo.js'
import { rabbitMqMetrics } from './knownMetrics.js'
import { dashboardQueries, observability, rules, traceQueries } from './queries.js'
import type { Query } from './queries.js'

/** Metrics that nobody shows while all is well, and why: queries of them have to be answered, and may be answered with nothing. */
const quiet: Readonly<Record<string, string>> = {
  'messaging_client_operation_duration_count{job=~".*",error_type!=""}': 'no operation of the clients fails',
  'messaging_client_sent_messages_total{job=~".*",error_type!=""}': 'no send fails',
  posthorn_publisher_failed_total: 'no publish fails',
  posthorn_consumer_held_keys: 'no group of the shop holds keys',
  posthorn_trace_context_damaged_total: 'nobody else writes headers',
}

const releases: (() => Promise<void>)[] = []
let prometheus: Prometheus
let rabbit: RabbitMq

beforeAll(async () => {
  const releasing = <T extends { release(): Promise<void> }>(server: T): T => {
    releases.push(() => server.release())
    return server
  }
  // Of its own: two demos on one broker would take each other's orders.
  rabbit = releasing(await acquireRabbitMq({ fresh: true, metrics: true }))
  const postgres = releasing(await acquirePostgres())
  const kafka = releasing(await acquireKafka())
  const database = ['--database', 'postgres', '--database-url', postgres.url]
  const onRabbitMq = await startDemo('--transport', 'rabbitmq', '--url', rabbit.urls.join(','), ...database)
  releases.push(() => onRabbitMq.stop())
  const onKafka = await startDemo('--transport', 'kafka', '--brokers', kafka.brokers.join(','), ...database)
  releases.push(() => onKafka.stop())
  const configuration = join(observability, 'prometheus')
  const targets = {
    posthorn: [...onRabbitMq.targets, ...onKafka.targets],
    rabbitmq: [{ targets: rabbit.metricsAddresses }],
  }
  prometheus = releasing(await acquirePrometheus({ configuration, targets, intervalSeconds: 1 }))
})
afterAll(async () => {
  for (const release of releases.toReversed()) await release()
})

interface Answer {
  readonly status: string
  readonly error?: string
  readonly data?: {
    readonly result: readonly { readonly metric: Record<string, string>; readonly value: [number, string] }[]
  }
}

const ask = async (text: string): Promise<Answer> => {
  const answer = await fetch(`${prometheus.url}/api/v1/query?query=${encodeURIComponent(text)}`)
  return (await answer.json()) as Answer
}

interface Alert {
  readonly state: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

interface EvaluatedRule {
  readonly name: string
  readonly health: string
  readonly lastError?: string
}

const get = async <Data>(path: string): Promise<Data> =>
  ((await (await fetch(prometheus.url + path)).json()) as { data: Data }).data

const withoutData = async (queries: readonly Query[]): Promise<string[]> => {
  const answers = await Promise.all(queries.map(async (query) => ({ ...query, answer: await ask(query.text) })))
  return answers
    .filter(({ answer }) => answer.status !== 'success' || answer.data?.result.length === 0)
    .map(({ place, text, answer }) => `${place}: ${text} ${answer.error ?? ''}`)
}

const isQuiet = ({ text }: Query): boolean => Object.keys(quiet).some((part) => text.includes(part))

describe('a Prometheus that scrapes the shop on RabbitMQ and Kafka, and PostgreSQL', () => {
  test('reads every service, and RabbitMQ', async () => {
    const jobs = ['auditor', 'orders', 'payments', 'relay', 'users'].flatMap((job) => [job, job])
    const up = async (): Promise<unknown> =>
      (await ask('up == 1')).data?.result.map(({ metric }) => metric['job']).toSorted()
    await expect.poll(up, { timeout: 60_000 }).toEqual([...jobs, 'rabbitmq', 'rabbitmq-queues'].toSorted())
  })

  test('answers every query of the dashboards with data, but those that need a fault', async () => {
    const queries = [...dashboardQueries(), ...traceQueries()]
    const loud = queries.filter((query) => !isQuiet(query))
    expect(loud.length).toBeGreaterThan(80)
    await expect.poll(() => withoutData(loud), { timeout: 90_000, interval: 1_000 }).toEqual([])
  })

  test('answers the others, too, and each of them is one', async () => {
    const queries = dashboardQueries().filter(isQuiet)
    const answers = await Promise.all(queries.map(({ text }) => ask(text)))
    expect(answers.filter(({ status }) => status !== 'success')).toEqual([])
    expect(Object.keys(quiet).filter((part) => !queries.some(({ text }) => text.includes(part)))).toEqual([])
  })

  test('finds the labels of RabbitMQ that queries name', async () => {
    for (const [metric, labels] of Object.entries(rabbitMqMetrics)) {
      const { data } = await ask(metric)
      expect(Object.keys(data?.result[0]?.metric ?? {}), metric).toEqual(expect.arrayContaining([...labels]))
    }
  })

  test('evaluates every alert, and tells of the dead letters of the sample, and of no loss', async () => {
    const firing = async (): Promise<Alert[]> => {
      const { alerts } = await get<{ alerts: Alert[] }>('/api/v1/alerts')
      return alerts.filter(({ state }) => state === 'firing')
    }
    const names = async (): Promise<string[]> => [
      ...new Set((await firing()).map(({ labels }) => labels['alertname']!)),
    ]
    await expect.poll(names, { timeout: 90_000, interval: 1_000 }).toContain('PosthornDeadLetters')
    // What a busy machine cannot cause.
    for (const name of ['Unrouted', 'UnroutedNotKept', 'MessagesDeletedUnread', 'KeyParked', 'InboxExpired']) {
      expect(await names()).not.toContain(`Posthorn${name}`)
    }
    const alert = (await firing()).find(({ labels }) => labels['alertname'] === 'PosthornDeadLetters')
    expect(alert?.annotations['runbook_url']).toBe('docs/how-to/respond-to-alerts.md#posthorndeadletters')
    expect(alert?.annotations['summary']).toMatch(/^payments gave messages up: (nonRetryable|retriesExhausted)$/)

    const { groups } = await get<{ groups: { rules: EvaluatedRule[] }[] }>('/api/v1/rules')
    const evaluated = groups.flatMap(({ rules: list }) => list)
    expect(evaluated).toHaveLength(rules().length)
    expect(evaluated.filter(({ health }) => health !== 'ok')).toEqual([])
  })

  test.each([
    {
      fault: 'RabbitMQ has too little memory',
      begin: () => rabbit.control!.ctl('set_vm_memory_high_watermark', '0.0001'),
      end: () => rabbit.control!.ctl('set_vm_memory_high_watermark', '0.4'),
      // The broker blocks who publishes: the relay of the orders for certain, and others when they have something to publish.
      expected: ['RabbitMqAlarm', 'PosthornRelayNotReady'],
    },
    {
      fault: 'RabbitMQ is killed',
      begin: () => rabbit.control!.kill(),
      end: () => rabbit.control!.start(),
      expected: ['PosthornNotScraped', 'PosthornServiceNotReady', 'PosthornTransportNotReady', 'PosthornRelayNotReady'],
    },
  ])('raises alerts when $fault, and drops them afterwards', async ({ begin, end, expected }) => {
    const raised = async (): Promise<string[]> => {
      const { alerts } = await get<{ alerts: Alert[] }>('/api/v1/alerts')
      return expected.filter((name) => alerts.some(({ labels }) => labels['alertname'] === name))
    }
    await expect.poll(raised, { timeout: 60_000, interval: 500 }).toEqual([])
    await begin()
    try {
      await expect.poll(raised, { timeout: 60_000, interval: 500 }).toEqual(expected)
    } finally {
      await end()
    }
    await expect.poll(raised, { timeout: 60_000, interval: 500 }).toEqual([])
  })
})
