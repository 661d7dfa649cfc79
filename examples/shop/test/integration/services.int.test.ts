import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { orderIdWith, soundOrder } from '../shopFixture.js'
import { brokerArgs, brokers } from './brokers.js'

const command = fileURLToPath(new URL('../../dist/main.js', import.meta.url))
const running: ChildProcess[] = []

afterEach(async () => {
  await Promise.all(running.splice(0).map(end))
})

async function end(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null) {
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
  return child.exitCode
}

/** Starts a part of the shop and waits until it says that it runs; gives the address of its API. */
async function start(args: readonly string[]): Promise<{ address: string; child: ChildProcess }> {
  const child = spawn(process.execPath, [command, ...args, '--user-port', '0', '--order-port', '0'], {
    env: { ...process.env, LOG_LEVEL: 'info' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  running.push(child)
  const said: string[] = []
  for await (const line of createInterface(child.stderr!)) {
    said.push(line)
    const facts = line.startsWith('{') ? (JSON.parse(line) as { msg: string; address?: string }) : undefined
    if (facts !== undefined && /^The .* (service|worker) runs$/.test(facts.msg))
      return { address: facts.address ?? '', child }
  }
  throw new Error(`${args.join(' ')} ended: ${said.join('\n')}`)
}

async function post(url: string, body: unknown): Promise<{ status: number; body: { code?: string } }> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: answer.status, body: (await answer.json()) as { code?: string } }
}

async function statusOf(url: string): Promise<string> {
  return ((await (await fetch(url)).json()) as { status: string }).status
}

describe.each(brokers)('the three services, each a process of its own, on $transport', (broker) => {
  test('register a user, take an order, and charge it', async () => {
    const args = brokerArgs(broker)
    const [users, orders, payments] = await Promise.all([
      start(['user', ...args]),
      start(['order', ...args]),
      start(['payment', ...args]),
    ])
    const run = `${Date.now()}`
    const userId = `u-${run}`
    const registered = await post(`${users.address}/users`, { userId, email: 'ada@shop.example' })
    expect(registered.status).toBe(201)
    // An id that the card network of seed 7 accepts at once, new in each run by what follows it.
    const order = soundOrder({ orderId: orderIdWith('fine', 7, `o-${run}-`), userId })
    await expect.poll(async () => (await post(`${orders.address}/orders`, order)).status).toBe(202)
    await expect.poll(() => statusOf(`${orders.address}/orders/${order.orderId}`)).toBe('paid')
    const unknown = await post(`${orders.address}/orders`, { ...order, userId: `${userId}-x` })
    expect([unknown.status, unknown.body.code]).toEqual([422, 'SHOP_UNKNOWN_USER'])
    expect(await Promise.all([users, orders, payments].map(({ child }) => end(child)))).toEqual([143, 143, 143])
  })
})
