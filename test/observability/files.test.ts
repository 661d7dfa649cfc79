import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { metricsCatalogue, prometheusName } from '@posthorn/core/adapter'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { readPage, root } from '../docs/markdown.js'
import { knownMetrics, rabbitMqMetrics } from './knownMetrics.js'
import { namesOf } from './promQl.js'
import {
  dashboardFiles,
  dashboardQueries,
  dataSources,
  readDashboard,
  ruleQueries,
  rules,
  ruleTestFiles,
  textOf,
  traceQueries,
} from './queries.js'
import type { Panel, Query } from './queries.js'

const queries: readonly Query[] = [...dashboardQueries(), ...ruleQueries(), ...traceQueries()]
const runbook = 'docs/how-to/respond-to-alerts.md'

describe('queries of dashboards and alerts', () => {
  test('there are some of every kind', () => {
    expect([dashboardQueries(), ruleQueries(), traceQueries()].map((list) => list.length > 2)).toEqual([
      true,
      true,
      true,
    ])
  })

  test('name only metrics of the catalogue, or of RabbitMQ', () => {
    const unknown = queries.flatMap(({ place, text }) =>
      namesOf(text)
        .metrics.filter((metric) => !knownMetrics.has(metric))
        .map((metric) => `${place}: ${metric}`),
    )
    expect(unknown).toEqual([])
  })

  test('name only labels that the metric has', () => {
    const unknown = queries.flatMap(({ place, text }) =>
      namesOf(text)
        .matched.filter(({ metric, label }) => knownMetrics.get(metric)?.has(label) !== true)
        .map(({ metric, label }) => `${place}: ${metric}{${label}}`),
    )
    expect(unknown).toEqual([])
  })

  test('group only by labels that their metrics have', () => {
    const unknown = queries.flatMap(({ place, text }) => {
      const { metrics, grouped } = namesOf(text)
      return grouped
        .filter((label) => !metrics.some((metric) => knownMetrics.get(metric)?.has(label)))
        .map((label) => `${place}: by ${label}`)
    })
    expect(unknown).toEqual([])
  })

  test('show every metric of the catalogue on a dashboard', () => {
    const shown = new Set(dashboardQueries().flatMap(({ text }) => namesOf(text).metrics))
    const names = metricsCatalogue.map((facts) => prometheusName(facts) + (facts.type === 'histogram' ? '_bucket' : ''))
    expect(names.filter((name) => !shown.has(name))).toEqual([])
  })

  test('need every metric of RabbitMQ that is listed', () => {
    const used = new Set(queries.flatMap(({ text }) => namesOf(text).metrics))
    expect(Object.keys(rabbitMqMetrics).filter((name) => !used.has(name))).toEqual([])
  })
})

describe('alerts', () => {
  test('have a severity, a summary, a description, and a name of their own', () => {
    const all = rules()
    expect(all.length).toBeGreaterThan(20)
    expect(new Set(all.map(({ alert }) => alert)).size).toBe(all.length)
    for (const { alert, labels, annotations } of all) {
      expect(labels['severity'], alert).toBeOneOf(['critical', 'warning'])
      expect(annotations['summary'], alert).toMatch(/\S/)
      expect(annotations['description'], alert).toMatch(/\.$/)
    }
  })

  test('lead to the heading of their page that has their name', () => {
    for (const { alert, annotations } of rules()) {
      const expected = `{{ $externalLabels.runbooks }}${runbook}#${alert.toLowerCase()}`
      expect(annotations['runbook_url']).toBe(expected)
    }
  })

  test('are what the page explains, one heading each', () => {
    const headings = [...readPage(runbook).matchAll(/^### (.+)$/gm)].map(([, title]) => title)
    expect(headings.toSorted()).toEqual(
      rules()
        .map(({ alert }) => alert)
        .toSorted(),
    )
  })

  test('are each explained in the same four steps', () => {
    for (const section of readPage(runbook).split(/^### /m).slice(1)) {
      const name = section.slice(0, section.indexOf('\n'))
      const steps = [...section.matchAll(/^- \*\*(.+?)\.\*\*/gm)].map(([, step]) => step)
      expect(steps, name).toEqual(['Means', 'Confirm', 'Do', 'Over'])
    }
  })

  test('have unit tests that see them fire, and not fire', () => {
    interface RuleTest {
      readonly name: string
      readonly promql_expr_test: readonly { readonly expr: string; readonly exp_samples: readonly unknown[] }[]
    }
    const tests = ruleTestFiles.flatMap((file) => (parse(textOf(file)) as { tests: RuleTest[] }).tests)
    expect(tests.map(({ name }) => name).toSorted()).toEqual(
      rules()
        .map(({ alert }) => alert)
        .toSorted(),
    )
    for (const { name, promql_expr_test: checks } of tests) {
      expect(
        checks.map(({ exp_samples: samples }) => samples.length),
        name,
      ).toEqual([0, 1])
      expect(
        checks.every(({ expr }) => expr.includes(`alertname="${name}"`)),
        name,
      ).toBe(true)
    }
  })
})

describe.each(dashboardFiles)('%s', (file) => {
  const dashboard = readDashboard(file)
  const uids = new Set(dataSources().map(({ uid }) => uid))

  test('has a uid, a title and a schema that Grafana migrates', () => {
    expect(dashboard.uid).toMatch(/^posthorn-[a-z-]+$/)
    expect(dashboard.title).toMatch(/^Posthorn: /)
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(39)
    expect(dashboard).not.toHaveProperty('id')
  })

  test('has panels with ids of their own, a title, and no overlap', () => {
    const { panels } = dashboard
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    expect(panels.filter(({ type, title }) => type !== 'text' && title === '')).toEqual([])
    expect(panels.filter(({ gridPos: { x, w } }) => x + w > 24)).toEqual([])
    const overlaps = panels.flatMap((one, at) =>
      panels.slice(at + 1).flatMap((other) => (overlap(one, other) ? [`${one.title} and ${other.title}`] : [])),
    )
    expect(overlaps).toEqual([])
  })

  test('names data sources by a uid that is provisioned', () => {
    const { panels, templating } = dashboard
    const named = [
      ...panels.flatMap(({ datasource, targets = [] }) => [datasource, ...targets.map((target) => target.datasource)]),
      ...templating.list.map(({ datasource }) => datasource),
    ].flatMap((source) => (source === undefined ? [] : [source.uid]))
    expect(named.filter((uid) => !uids.has(uid))).toEqual([])
    const inText = [...textOf(file).matchAll(/posthorn-(?:prometheus|jaeger)/g)].map(([uid]) => uid)
    expect(inText.filter((uid) => !uids.has(uid))).toEqual([])
  })

  test('lists alerts that exist', () => {
    const lists = dashboard.panels.filter(({ type }) => type === 'alertlist')
    for (const { options } of lists) {
      expect(rules().some(({ alert }) => alert.includes(options?.alertName ?? '?'))).toBe(true)
      expect(options?.datasource).toBe('Prometheus')
    }
  })

  test('fills its variables from metrics that exist', () => {
    for (const { definition } of dashboard.templating.list) {
      const [, metric = '', label = ''] = /^label_values\((\w+), (\w+)\)$/.exec(definition) ?? []
      expect(knownMetrics.get(metric)?.has(label), definition).toBe(true)
    }
  })

  test('names no place of a machine', () => {
    expect(textOf(file)).not.toMatch(/"(?:\/(?!explore)[a-z]|[a-z]:\\|https?:)/i)
  })
})

test('dashboards have uids of their own', () => {
  const uids = dashboardFiles.map((file) => readDashboard(file).uid)
  expect(new Set(uids).size).toBe(4)
})

test('Grafana finds what compose lays for it', () => {
  const { services } = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8')) as {
    services: Record<string, { volumes: string[]; environment: Record<string, string> }>
  }
  const { volumes, environment } = services['grafana']!
  const provider = parse(textOf('grafana/provisioning/dashboards/dashboards.yml')) as {
    providers: { options: { path: string } }[]
  }
  const path = provider.providers[0]?.options.path
  expect(volumes).toContain(`./observability/grafana/dashboards:${path}:ro`)
  expect(environment['GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH']).toBe(`${path}/service.json`)
})

function overlap({ gridPos: one }: Panel, { gridPos: other }: Panel): boolean {
  const isBeside = one.x + one.w <= other.x || other.x + other.w <= one.x
  const isAbove = one.y + one.h <= other.y || other.y + other.h <= one.y
  return !isBeside && !isAbove
}
