import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { createHarnessOf } from '@posthorn/testing'
import type { Surroundings } from '@posthorn/testing'
import { createOrderApi } from '../../src/orders/orderApi.js'
import { createOrderService } from '../../src/orders/orderService.js'
import type { OrderService } from '../../src/orders/orderService.js'
import { orderTables } from '../../src/orders/orderTables.js'
import { createUserApi } from '../../src/users/userApi.js'
import { createUserService } from '../../src/users/userService.js'
import { harnessOptions, usePglite } from '../shopDatabases.js'
import { soundOrder, soundUser } from '../shopFixture.js'

const pglite = usePglite()

const startShop = async () => {
  const database = await pglite.open(orderTables)
  const orders = (surroundings: Surroundings): OrderService => createOrderService({ ...surroundings, database })
  return createHarnessOf({ users: createUserService, orders }, harnessOptions()) // The type follows.
}

let shop: Awaited<ReturnType<typeof startShop>>
let orderApi: FastifyInstance
let userApi: FastifyInstance

beforeEach(async () => {
  shop = await startShop()
  orderApi = createOrderApi(shop.apps.orders)
  userApi = createUserApi(shop.apps.users)
})
afterEach(async () => {
  await Promise.all([orderApi.close(), userApi.close()])
  await shop[Symbol.asyncDispose]()
})

function post(api: FastifyInstance, url: string, body: unknown): Promise<LightMyRequestResponse> {
  const payload = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)
  return api.inject({ method: 'POST', url, headers: { 'content-type': 'application/json' }, payload })
}

describe('the user API', () => {
  test('registers a user and shows it', async () => {
    const { registeredAt: _, ...user } = soundUser
    const created = await post(userApi, '/users', user)
    expect([created.statusCode, created.headers['location']]).toEqual([201, '/users/u-1'])
    const found = await userApi.inject('/users/u-1')
    expect([found.statusCode, found.json()]).toEqual([200, created.json()])
    expect((await userApi.inject('/users/u-2')).statusCode).toBe(404)
  })

  test.each(
    [{ userId: 'u-1' }, { userId: '', email: 'a@b.example' }, { userId: 'u', email: 'nowhere' }, [], null, 5].map(
      (user) => ({ user }),
    ),
  )('refuses $user with the places that are wrong', async ({ user }) => {
    const answer = await post(userApi, '/users', user)
    expect([answer.statusCode, answer.json().code]).toEqual([422, 'POSTHORN_INVALID_DATA'])
    expect(answer.json().issues).not.toHaveLength(0)
  })

  test('says that it cannot register users once its service has stopped, and that trying again may help', async () => {
    expect((await userApi.inject('/health')).statusCode).toBe(200)
    await shop.apps.users.service.stop()
    expect((await userApi.inject('/health')).statusCode).toBe(503)
    const answer = await post(userApi, '/users', soundUser)
    expect([answer.statusCode, answer.json().code]).toEqual([503, 'POSTHORN_STOPPED'])
    expect(answer.headers['retry-after']).toBe('1')
  })
})

describe('the order API', () => {
  test('takes an order of a user who registered a moment ago', async () => {
    const [registered, placed] = await Promise.all([
      post(userApi, '/users', soundUser),
      post(orderApi, '/orders', soundOrder()),
    ])
    expect([registered.statusCode, placed.statusCode]).toEqual([201, 202])
    expect(placed.json()).toEqual({ orderId: 'o-1', status: 'placed' })
    expect((await orderApi.inject('/orders/o-1')).json()).toEqual({ orderId: 'o-1', status: 'placed' })
    expect((await orderApi.inject('/orders/o-2')).statusCode).toBe(404)
  })

  test('refuses an order of a user whom nobody knows', async () => {
    const answer = await post(orderApi, '/orders', soundOrder({ userId: 'nobody' }))
    expect([answer.statusCode, answer.json().code]).toEqual([422, 'SHOP_UNKNOWN_USER'])
    expect(answer.body).not.toContain('nobody')
  })

  test('refuses an invalid order with the places that are wrong', async () => {
    shop.apps.orders.users.add('u-1')
    const answer = await post(orderApi, '/orders', soundOrder({ currency: 'GBP' }))
    expect([answer.statusCode, answer.json().code]).toEqual([422, 'POSTHORN_INVALID_DATA'])
    expect(answer.json().issues).toMatchObject([{ pointer: '/data/currency', keyword: 'enum' }])
    expect((await orderApi.inject('/orders/o-1')).statusCode).toBe(404)
  })

  test.each([
    ['words', 'hello', 400, 'SHOP_NOT_JSON'],
    ['__proto__', '{"__proto__":{}}', 400, 'POSTHORN_FORBIDDEN_KEY'],
    ['bytes that are no UTF-8', Buffer.from([0x22, 0xff, 0x22]), 400, 'SHOP_NOT_UTF8'],
    ['too many levels', '['.repeat(100), 400, 'POSTHORN_TOO_DEEP'],
    ['more than a megabyte', `"${'x'.repeat(1_048_576)}"`, 413, 'FST_ERR_CTP_BODY_TOO_LARGE'],
  ])('refuses %s', async (_what, body, status, code) => {
    const answer = await post(orderApi, '/orders', body)
    expect([answer.statusCode, answer.json().code]).toEqual([status, code])
  })

  test('takes orders without a broker: they wait in the outbox', async () => {
    shop.apps.orders.users.add('u-1')
    expect((await orderApi.inject('/health')).statusCode).toBe(200)
    shop.broker.down()
    const answer = await post(orderApi, '/orders', soundOrder())
    expect([answer.statusCode, answer.json()]).toEqual([202, { orderId: 'o-1', status: 'placed' }])
    expect((await orderApi.inject('/health')).statusCode).toBe(503)
    shop.broker.up()
  })
})
