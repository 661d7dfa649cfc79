/** What a query of Prometheus names. */
export interface QueryNames {
  readonly metrics: readonly string[]
  /** Labels that matchers name, with the metric that they stand behind. */
  readonly matched: readonly { readonly metric: string; readonly label: string }[]
  /** Labels of `by`, `on` and the like. */
  readonly grouped: readonly string[]
}

const token = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\[[^\]]*\]|[a-z_:][\w:]*|\d[\w.]*|=~|!~|!=|[^\s\w]/gi
const groupings = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right'])
const operators = new Set(['and', 'or', 'unless', 'offset', 'bool', 'inf', 'nan'])
const aggregations = new Set(['sum', 'min', 'max', 'avg', 'count', 'group', 'topk', 'bottomk', 'quantile'])
const isName = (text: string | undefined): text is string => text !== undefined && /^[a-z_:]/i.test(text)

/** Reads the names in a query, whose syntax Prometheus itself checks. */
export function namesOf(query: string): QueryNames {
  const tokens: readonly string[] = query.match(token) ?? []
  const metrics: string[] = []
  const matched: { metric: string; label: string }[] = []
  const grouped: string[] = []
  const namesUpTo = (end: string, from: number): { names: string[]; at: number } => {
    const to = tokens.indexOf(end, from)
    if (to < 0) throw new Error(`${query} has no ${end} behind its ${from}th word`)
    return { names: tokens.slice(from, to).filter(isName), at: to }
  }
  for (let at = 0; at < tokens.length; at++) {
    const word = tokens[at] as string
    if (word === '{') {
      const list = namesUpTo('}', at)
      matched.push(...list.names.map((label) => ({ metric: metrics.at(-1) ?? '', label })))
      at = list.at
    } else if (groupings.has(word)) {
      const list = namesUpTo(')', at)
      grouped.push(...list.names.slice(1))
      at = list.at
    } else if (isName(word) && !operators.has(word) && !aggregations.has(word) && tokens[at + 1] !== '(') {
      metrics.push(word)
    }
  }
  return { metrics, matched, grouped }
}
