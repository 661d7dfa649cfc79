import { expect, test } from 'vitest'
import { proseOf, readPage } from './markdown.js'

test.each(['docs/explanation/dual-writes.md', 'docs/how-to/set-up-the-outbox.md'])(
  'the pages that promise say that synchronous_commit decides what a failover loses',
  (page) => {
    const said = proseOf(readPage(page))
      .split(/\n\s*[-#]|\n\n/)
      .find((part) => part.includes('synchronous_commit'))
    expect(said).toMatch(/asynchronous\s+replica/)
    expect(said).toContain('failover')
  },
)
