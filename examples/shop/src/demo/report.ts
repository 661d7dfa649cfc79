import Table from 'cli-table3'
import pc from 'picocolors'
import type { Crashes } from './chaos.js'
import { reconciles } from './reconciliation.js'
import type { DemoResult } from './runDemo.js'

/** Whether nothing was lost, every line has its end, and the database says the same. */
export function addsUp(result: DemoResult): boolean {
  const { read, published, rejections, handled, deadLettered, lost, lateUsers, faults, isStalled } = result
  const isComplete = read === published + rejections.count && published === handled + deadLettered
  return isComplete && reconciles(result) && lost === 0 && lateUsers === 0 && faults === 0 && !isStalled
}

/** The one object of `--json`, in pieces: a list of rejected lines may be longer than the longest string. */
export function* jsonOf(result: DemoResult): Generator<string> {
  const { transport, read, published, handled, retried, deadLettered, lost, durationMs, database, crashes } = result
  yield `{"transport":${JSON.stringify(transport)},"read":${read},"published":${published},"rejected":[`
  let separator = ''
  for (const rejection of result.rejections) {
    yield separator + JSON.stringify(rejection)
    separator = ','
  }
  const rest = JSON.stringify({ handled, retried, deadLettered, lost, durationMs, database, crashes })
  yield `],${rest.slice(1)}\n`
}

const maxListed = 40

/** The table for people. */
export function* tableOf(result: DemoResult): Generator<string> {
  const seconds = (result.durationMs / 1_000).toFixed(1)
  yield `\n${pc.bold('The shop')} on ${result.transport}, ${seconds} s\n`
  yield `${balance(result)}\n`
  yield `${inTheDatabase(result)}\n`
  yield* rejected(result)
  for (const note of notes(result)) yield `${note}\n`
  yield addsUp(result) ? pc.green('It adds up: 0 lost.\n') : pc.red('It does not add up.\n')
}

/** Without colours of the table's own, so that NO_COLOR holds, and without lines between the rows. */
const plain = { style: { head: [], border: [] }, chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' } }

function balance(result: DemoResult): string {
  const { read, published, rejections, handled, deadLettered, lost, retried, tally } = result
  const table = new Table({ ...plain, colAligns: ['left', 'right', 'left'] })
  const reasons = [...tally.reasons].map(([reason, count]) => `${reason} ${shown(count)}`).join(', ')
  const outcomes = `paid ${shown(tally.paid)}, declined ${shown(tally.declined)}`
  table.push(
    [pc.bold('read'), pc.bold(shown(read)), 'lines that are not blank'],
    ['= published', shown(published), 'committed, and confirmed by the broker'],
    ['+ rejected', shown(rejections.count), rejections.count > 0 ? 'listed below' : ''],
    [pc.bold('published'), pc.bold(shown(published)), 'orders'],
    ['= handled', shown(handled), handled > 0 ? outcomes : ''],
    ['+ dead-lettered', shown(deadLettered), reasons],
    [lost === 0 ? '+ lost' : pc.red('+ lost'), lost === 0 ? '0' : pc.red(shown(lost)), ''],
    ['retried', shown(retried), 'attempts beyond an order’s first'],
  )
  return table.toString()
}

/** What the tables say, beside the numbers that they must agree with. */
function inTheDatabase({ database, published, handled }: DemoResult): string {
  const { name, orders, placedEvents, payments, charged, declined, answered, repeated, ghosts, waiting } = database
  const table = new Table({ ...plain, colAligns: ['left', 'right', 'left'] })
  const row = (what: string, count: number, expected: number, note = ''): string[] => [
    what,
    count === expected ? shown(count) : pc.red(`${shown(count)}, not ${shown(expected)}`),
    note,
  ]
  table.push(
    row(pc.bold('orders'), orders, published, `rows of ${name === 'pglite' ? 'PGlite' : 'PostgreSQL'}`),
    row('events', placedEvents, orders, 'orders whose event has left the outbox'),
    row(pc.bold('payments'), payments, handled, `charged ${shown(charged)}, declined ${shown(declined)}`),
    row('answers', answered, payments, 'outcomes that the order service has noted'),
    row('repeated', repeated, 0, 'payments and answers beyond an order’s first'),
    row('ghosts', ghosts, 0, 'payments without an order'),
    row('waiting', waiting, 0, 'entries still in an outbox'),
  )
  return table.toString()
}

function* rejected({ rejections }: DemoResult): Generator<string> {
  if (rejections.count === 0) return
  const table = new Table({ ...plain, colAligns: ['right', 'left', 'left'] })
  table.push(['line', 'code', 'reason'].map(pc.bold))
  let listed = 0
  for (const { line, code, message } of rejections) {
    if (listed === maxListed) break
    table.push([String(line), code, shortened(message)])
    listed += 1
  }
  yield `\nRejected lines\n${table.toString()}\n`
  if (rejections.count === listed) return
  const codes = rejections.byCode().map(([code, count]) => `${code} ${shown(count)}`).join(', ') // prettier-ignore
  yield `and ${shown(rejections.count - listed)} more (--json lists all): ${codes}\n`
}

function notes({ repeated, tally, missing, lateUsers, crashes, isStalled }: DemoResult): string[] {
  const { strays, strayDeadLetters } = tally
  const list = missing.slice(0, 20).join(', ')
  return [
    ...(crashes === undefined ? [] : [crashesOf(crashes)]),
    ...(repeated > 0 ? [`Heard again: ${shown(repeated)} (delivery is at least once; nothing was counted twice)`] : []),
    ...(strays + strayDeadLetters > 0
      ? [`Cleared away: ${shown(strays)} messages and ${shown(strayDeadLetters)} dead letters of earlier runs`]
      : []),
    ...(lateUsers > 0 ? [pc.red(`Lost: the registrations of ${shown(lateUsers)} users`)] : []),
    ...(isStalled ? [pc.red('Nothing moved any more; what was under way counts as lost')] : []),
    ...(missing.length > 0 ? [pc.red(`Lost: the orders of lines ${list}${missing.length > 20 ? ', …' : ''}`)] : []),
  ]
}

function crashesOf({ orders, payments, relay, connections }: Crashes): string {
  const dropped = connections === 0 ? '' : `, every connection ${connections} times`
  return `Crashed and started again: order service ${orders}, payment worker ${payments}, relay ${relay} times${dropped}`
}

const shown = (count: number): string => count.toLocaleString('en-US')

const maxWidth = 80

function shortened(text: string): string {
  return text.length <= maxWidth ? text : `${text.slice(0, maxWidth - 1)}…`
}
