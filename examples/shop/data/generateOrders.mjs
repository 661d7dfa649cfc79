/*
 * Writes orders.ndjson and users.ndjson beside itself, always the same: node examples/shop/data/generateOrders.mjs
 * With a number it prints so many sound orders instead, for measuring: node … 100000 > orders.ndjson
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** mulberry32: a few lines that give the same numbers everywhere. */
function createRandom(seed) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296
  }
}

const random = createRandom(20_260_401)
const below = (limit) => Math.floor(random() * limit)
const oneOf = (list) => list[below(list.length)]

const soundCount = 440
const userCount = 60
const skus = ['horn-brass', 'horn-felt', 'stamp-1st', 'stamp-air', 'satchel', 'wax-red', 'lantern', 'boots-42', 'map-alps']
const notes = ['Please ring twice', 'Für Opa 🎺', '送给妈妈', 'line one\nline two', 'a "quoted" word', '']

function orderOf(number) {
  const order = {
    orderId: `o-${String(number).padStart(5, '0')}`,
    userId: `u-${String(1 + below(userCount)).padStart(3, '0')}`,
    currency: oneOf(['EUR', 'EUR', 'EUR', 'USD', 'CNY']),
    placedAt: new Date(Date.UTC(2026, 2, 1) + number * 61_000 + below(60_000)).toISOString(),
    lines: Array.from({ length: 1 + below(4) }, () => ({
      sku: oneOf(skus),
      quantity: 1 + below(5),
      unitPriceCents: 50 + below(20_000),
    })),
  }
  if (random() < 0.15) order.note = oneOf(notes)
  if (random() < 0.1) order.channel = oneOf(['web', 'phone']) // Contracts are open.
  return order
}

const json = (order, changes) => JSON.stringify({ ...order, ...changes })
const without = (order, name) => JSON.stringify({ ...order, [name]: undefined })
const withLine = (order, changes) => json(order, { lines: [{ ...order.lines[0], ...changes }] })

/** Every way to be broken: from a sound order, one line of text or bytes. */
const broken = [
  () => 'this is not JSON',
  (order) => json(order).slice(0, 70), // Cut off, as by a writer that died.
  (order) => `${json(order)} trailing words`,
  (order) => json(order).replaceAll('"', "'"),
  (order) => `[${json(order)}]`,
  () => 'null',
  () => '42',
  (order) => without(order, 'orderId'),
  (order) => without(order, 'userId'),
  (order) => without(order, 'lines'),
  (order) => without(order, 'placedAt'),
  (order) => json(order, { orderId: '' }),
  (order) => json(order, { userId: '' }),
  (order) => json(order, { orderId: 17 }),
  (order) => json(order, { lines: 'two horns' }),
  (order) => json(order, { note: 5 }),
  (order) => json(order, { currency: 'GBP' }),
  (order) => json(order, { currency: 'eur' }),
  (order) => json(order, { lines: [] }),
  (order) => json(order, { lines: Array.from({ length: 101 }, () => order.lines[0]) }),
  (order) => withLine(order, { quantity: 0 }),
  (order) => withLine(order, { quantity: 1.5 }),
  (order) => withLine(order, { quantity: '3' }),
  (order) => withLine(order, { unitPriceCents: -1 }),
  (order) => withLine(order, { sku: '' }),
  (order) => withLine(order, { unitPriceCents: undefined }),
  (order) => json(order, { placedAt: '2026-02-30T10:00:00Z' }),
  (order) => json(order, { placedAt: 'yesterday' }),
  (order) => json(order, { placedAt: '2026-03-01' }),
  (order) => `${json(order).slice(0, -1)},"__proto__":{"isAdmin":true}}`,
  (order) => `${json(order).slice(0, -1)},"meta":{"\\u005f_proto__":1}}`,
  (order) => `${json(order).slice(0, -1)},"meta":${'['.repeat(70)}${']'.repeat(70)}}`,
  (order) => Buffer.from(json(order, { note: 'Grüße in Latin-1' }), 'latin1'),
]

function sample() {
  const lines = []
  for (let number = 1; number <= soundCount; number += 1) {
    lines.push(json(orderOf(number)))
    if (number === 200) lines.push(lines[150]) // The same order once more.
  }
  for (const breakIt of broken) {
    const at = 5 + below(lines.length - 10)
    lines.splice(at, 0, breakIt(orderOf(soundCount + 1 + broken.indexOf(breakIt))))
  }
  for (let blank = 0; blank < 6; blank += 1) lines.splice(below(lines.length), 0, oneOf(['', '   ', '\t']))
  const parts = [Buffer.from('\uFEFF')]
  lines.forEach((line, index) => parts.push(Buffer.from(line), Buffer.from(index % 17 === 3 ? '\r\n' : '\n')))
  return Buffer.concat(parts)
}

/** All users but three: with --users, their orders are refused. */
function users() {
  const ids = Array.from({ length: userCount - 3 }, (_, index) => `u-${String(1 + index).padStart(3, '0')}`)
  return ids.map((userId) => `${JSON.stringify({ userId })}\n`).join('')
}

const here = (name) => fileURLToPath(new URL(name, import.meta.url))
const [count] = process.argv.slice(2)
if (count === undefined) {
  writeFileSync(here('orders.ndjson'), sample())
  writeFileSync(here('users.ndjson'), users())
} else {
  let text = ''
  for (let number = 1; number <= Number(count); number += 1) {
    text += `${json(orderOf(number))}\n`
    if (text.length < 65_536) continue
    if (!process.stdout.write(text)) await new Promise((resolve) => process.stdout.once('drain', resolve))
    text = ''
  }
  process.stdout.write(text)
}
