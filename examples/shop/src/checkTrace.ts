#!/usr/bin/env node
import { readFile, writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { writeOut } from './output.js'
import { checkConnections } from './trace/connections.js'
import { drawTrace } from './trace/drawTrace.js'
import type { TraceFile } from './trace/spanRecord.js'
import { mostEventful, treeOf } from './trace/spanTree.js'

/** The span that the demo makes for each order. */
export const orderSpanName = 'place order'

const command = new Command('npm run check:trace --')
  .description('Checks that every handled message of a traced demo is connected to its publish; prints one order.')
  .argument('<file>', 'what `npm run demo -- --trace <file>` wrote')
  .option('--svg <file>', 'draw that order, too')
  .addHelpText(
    'after',
    '\nA span that is linked, and not a child, has a ~. Exit code: 0 all are connected, 1 not all are.',
  )
  .action(async (file: string, { svg }: { readonly svg?: string }) => {
    const { spans } = JSON.parse(await readFile(file, 'utf8')) as TraceFile
    const { handled, unconnected } = checkConnections(spans)
    const order = mostEventful(spans, orderSpanName)
    const tree = order === undefined ? [] : ['', ...treeOf(spans, order)]
    if (svg !== undefined && order !== undefined) await writeFile(svg, drawTrace(spans, order))
    const told = `${spans.length} spans, ${handled} handled messages, ${unconnected.length} not connected to a publish`
    const missing = unconnected.map(({ span, messageId }) => `not connected: ${span} of ${messageId}`)
    await writeOut([told, ...missing, ...tree, ''].join('\n'))
    process.exitCode = handled > 0 && unconnected.length === 0 ? 0 : 1
  })

await command.parseAsync()
