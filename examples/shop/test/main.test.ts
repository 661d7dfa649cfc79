import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { orderIdWith, soundOrder, soundUser } from './shopFixture.js'

const command = fileURLToPath(new URL('../dist/main.js', import.meta.url))

test('all three run together in one process, and stop at SIGTERM', { timeout: 60_000 }, async () => {
  const child = spawn(process.execPath, [command, 'all', '--user-port', '0', '--order-port', '0'], {
    env: { ...process.env, LOG_LEVEL: 'info' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const exit = once(child, 'exit')
  const addresses = new Map<string, string>()
  for await (const line of createInterface(child.stderr)) {
    const { msg, address } = JSON.parse(line) as { msg: string; address?: string }
    if (address !== undefined) addresses.set(msg, address)
    if (addresses.size === 2) break
  }
  const post = async (url: string, body: unknown): Promise<number> => {
    const headers = { 'content-type': 'application/json' }
    return (await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })).status
  }
  const users = `${addresses.get('The user service runs')}/users`
  const orders = `${addresses.get('The order service runs')}/orders`
  const statusOf = async (orderId: string): Promise<unknown> => (await fetch(`${orders}/${orderId}`)).json()
  expect(users).toContain('127.0.0.1')
  expect(await post(users, soundUser)).toBe(201)
  const [fine, declined] = [orderIdWith('busy'), orderIdWith('declined')]
  expect(await post(orders, soundOrder({ orderId: fine }))).toBe(202)
  expect(await post(orders, soundOrder({ orderId: declined }))).toBe(202)
  await expect.poll(() => statusOf(fine)).toEqual({ orderId: fine, status: 'paid' })
  await expect.poll(() => statusOf(declined)).toEqual({ orderId: declined, status: 'rejected' })
  child.kill('SIGTERM')
  expect((await exit)[0]).toBe(143)
})

test('one alone has nobody to talk to in memory', { timeout: 60_000 }, async () => {
  const child = spawn(process.execPath, [command, 'user'], { stdio: ['ignore', 'ignore', 'pipe'] })
  const said: Buffer[] = []
  child.stderr.on('data', (data: Buffer) => said.push(data))
  expect((await once(child, 'close'))[0]).toBe(2)
  expect(Buffer.concat(said).toString()).toContain('--transport')
})
