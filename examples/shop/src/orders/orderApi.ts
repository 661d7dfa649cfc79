import type { FastifyInstance } from 'fastify'
import { createHttpServer } from '../http/httpServer.js'
import type { OrderPlaced } from '../contracts.js'
import { userIdOf } from './orderService.js'
import type { OrderService } from './orderService.js'

/** How long an order waits for news of its user, who may have registered a moment ago. */
const userPatienceMs = 1_000

/** `POST /orders`, `GET /orders/:orderId`, `GET /health`. */
export function createOrderApi(orders: OrderService): FastifyInstance {
  const server = createHttpServer(orders.service)
  server.post('/orders', async (request, reply) => {
    const userId = userIdOf(request.body)
    if (userId !== undefined) await orders.users.whenKnown(userId, userPatienceMs)
    await orders.place(request.body)
    const { orderId } = request.body as OrderPlaced
    const location = `/orders/${encodeURIComponent(orderId)}`
    return reply
      .code(202)
      .header('location', location)
      .send({ orderId, status: await orders.statusOf(orderId) })
  })
  server.get<{ Params: { orderId: string } }>('/orders/:orderId', async (request, reply) => {
    const { orderId } = request.params
    const status = await orders.statusOf(orderId)
    if (status === undefined) return reply.code(404).send({ code: 'SHOP_NOT_FOUND', message: 'There is no such order' })
    return { orderId, status }
  })
  return server
}
