import { expect, test } from 'vitest'
import { namesOf } from './promQl.js'

test.each([
  ['up == 0', ['up'], [], []],
  [
    'sum by (job) (rate(a_total{job=~"x|y(",le!="b"}[5m] offset 15m)) or vector(0)',
    ['a_total'],
    ['job', 'le'],
    ['job'],
  ],
  ['a > 0 unless on (job, queue) group_left (x) b{c="d"}', ['a', 'b'], ['c'], ['job', 'queue', 'x']],
  ['histogram_quantile(0.99, sum(rate(a_bucket[$__rate_interval])) by (le)) * 60', ['a_bucket'], [], ['le']],
])('%s', (query, metrics, matched, grouped) => {
  const names = namesOf(query)
  expect(names.metrics).toEqual(metrics)
  expect(names.matched.map(({ label }) => label)).toEqual(matched)
  expect(names.grouped).toEqual(grouped)
})

test('a label is told with the metric that it stands behind', () => {
  expect(namesOf('a{x="1"} + b{y="2"}').matched).toEqual([
    { metric: 'a', label: 'x' },
    { metric: 'b', label: 'y' },
  ])
})
