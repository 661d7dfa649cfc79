import { childrenOf } from './spanTree.js'
import type { SpanRecord } from './spanRecord.js'

/** A span in its row. */
interface Row {
  readonly span: SpanRecord
  readonly depth: number
  /** Under what it is linked to, and not under its parent. */
  readonly isLinked: boolean
}

const rowHeight = 24
const indent = 18
/** Of a letter, about: what draws the picture has its own font. */
const letterWidth = 6.3
const chartWidth = 520
const headHeight = 40
/** A span of microseconds is to be seen, too. */
const minBarWidth = 3
const colors = ['#3b6ea8', '#4b8f5c', '#a8703b', '#7a569c', '#a84f64', '#5b7f8a']

/**
 * Draws what stands under `root` as an SVG: a row for each span, later ones further right, a colour for each service. What
 * is linked, and not a child, has a dashed line to the span above it.
 */
export function drawTrace(spans: readonly SpanRecord[], root: SpanRecord): string {
  const rows = rowsOf(spans, root)
  const services = [...new Set(rows.map(({ span }) => span.service))]
  const colorOf = (service: string): string => colors[services.indexOf(service) % colors.length]!
  const endMs = Math.max(...rows.map(({ span }) => span.startMs + span.durationMs - root.startMs))
  const labelWidth = Math.max(...rows.map(({ span, depth }) => 30 + depth * indent + span.name.length * letterWidth))
  const width = Math.ceil(labelWidth + chartWidth + 110)
  const height = headHeight + rows.length * rowHeight + 12
  const lines = rows.flatMap((row, index) => {
    const y = headHeight + index * rowHeight
    const left = labelWidth + ((row.span.startMs - root.startMs) / endMs) * chartWidth
    const bar = Math.max((row.span.durationMs / endMs) * chartWidth, minBarWidth)
    const failed = row.span.isError ? ' stroke="#c0392b" stroke-width="2"' : ''
    return [
      ...(index === 0 ? [] : [connector(row, index)]),
      text(14 + row.depth * indent, y + 16, `${row.span.name}`),
      `<rect x="${round(left)}" y="${y + 4}" width="${round(bar)}" height="15" fill="${colorOf(row.span.service)}"${failed}/>`,
      text(
        left + bar + 6,
        y + 16,
        `${row.span.durationMs.toFixed(1)} ms${row.span.isError ? ' · failed' : ''}`,
        '#666',
      ),
    ]
  })
  const legend = services.flatMap((service, index) => [
    `<rect x="${14 + index * 110}" y="12" width="12" height="12" fill="${colorOf(service)}"/>`,
    text(31 + index * 110, 22, service),
  ])
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="ui-sans-serif, sans-serif" font-size="12">`,
    `<title>${escaped(`${root.name}: ${rows.length} spans of ${services.length} services in ${endMs.toFixed(0)} ms`)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...legend,
    ...lines,
    '</svg>',
    '',
  ].join('\n')

  /** From the row that it stands under: the nearest above with one step less. */
  function connector({ depth, isLinked }: Row, index: number): string {
    let above = index - 1
    while (above > 0 && rows[above]!.depth >= depth) above -= 1
    const x = 14 + (depth - 1) * indent + 5
    const y = headHeight + index * rowHeight + 12
    const from = headHeight + above * rowHeight + 20
    const dashes = isLinked ? ' stroke-dasharray="3 3"' : ''
    return `<path d="M${x} ${from}V${y}H${x + 10}" fill="none" stroke="#999"${dashes}/>`
  }
}

/** The spans in the order of the tree, each once. */
export function rowsOf(spans: readonly SpanRecord[], root: SpanRecord): readonly Row[] {
  const children = childrenOf(spans)
  const rows: Row[] = []
  const seen = new Set<string>()
  const add = (span: SpanRecord, depth: number, isLinked: boolean): void => {
    if (seen.has(span.spanId)) return
    seen.add(span.spanId)
    rows.push({ span, depth, isLinked })
    for (const child of children.get(span.spanId) ?? []) add(child, depth + 1, child.parentSpanId !== span.spanId)
  }
  add(root, 0, false)
  return rows
}

function text(x: number, y: number, said: string, color = '#222'): string {
  return `<text x="${round(x)}" y="${y}" fill="${color}">${escaped(said)}</text>`
}

const round = (value: number): string => value.toFixed(1)

const escaped = (said: string): string => said.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
