import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

/** The folder with all files. */
export const observability: string = fileURLToPath(new URL('../../observability', import.meta.url))

/** A query, and where it stands. */
export interface Query {
  readonly place: string
  readonly text: string
}

export interface Rule {
  readonly alert: string
  readonly expr: string
  readonly for?: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

export interface Target {
  readonly expr: string
  readonly datasource: DataSource
}

export interface DataSource {
  readonly type: string
  readonly uid: string
}

export interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly datasource?: DataSource
  readonly targets?: readonly Target[]
  readonly options?: { readonly alertName?: string; readonly datasource?: string }
}

export interface Dashboard {
  readonly uid: string
  readonly title: string
  readonly schemaVersion: number
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly { readonly datasource: DataSource; readonly definition: string }[] }
}

const filesOf = (folder: string, ending: string): string[] =>
  readdirSync(join(observability, folder))
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name))

export const textOf = (file: string): string => readFileSync(join(observability, file), 'utf8')

export const dashboardFiles: readonly string[] = filesOf('grafana/dashboards', '.json')
export const ruleFiles: readonly string[] = filesOf('prometheus/rules', '.yml')
export const ruleTestFiles: readonly string[] = filesOf('prometheus/tests', '.yml')

export const readDashboard = (file: string): Dashboard => JSON.parse(textOf(file)) as Dashboard

/** Every alert, in the order of the files. */
export const rules = (): Rule[] =>
  ruleFiles.flatMap((file) => (parse(textOf(file)) as { groups: { rules: Rule[] }[] }).groups.flatMap((it) => it.rules))

/** What Grafana would put in the place of its variables. */
const filled = (text: string): string => text.replaceAll('$__rate_interval', '10s').replaceAll('$job', '.*')

export const dashboardQueries = (): Query[] =>
  dashboardFiles.flatMap((file) => {
    const { title, panels } = readDashboard(file)
    return panels.flatMap((panel) =>
      (panel.targets ?? []).map(({ expr }) => ({ place: `${title}, ${panel.title}`, text: filled(expr) })),
    )
  })

export const ruleQueries = (): Query[] => rules().map(({ alert, expr }) => ({ place: alert, text: expr }))

interface DataSources {
  readonly datasources: readonly (DataSource & {
    readonly jsonData: { readonly tracesToMetrics?: { readonly queries: readonly { name: string; query: string }[] } }
  })[]
}

export const dataSources = (): DataSources['datasources'] =>
  (parse(textOf('grafana/provisioning/datasources/datasources.yml')) as DataSources).datasources

/** Behind the links of a span, with the tags of any. */
export const traceQueries = (): Query[] =>
  dataSources().flatMap(({ jsonData }) =>
    (jsonData.tracesToMetrics?.queries ?? []).map(({ name, query }) => ({
      place: `from traces, ${name}`,
      text: query.replaceAll('$$__tags', 'messaging_destination_name=~".+"'),
    })),
  )
