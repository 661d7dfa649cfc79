import type { FastifyInstance } from 'fastify'
import { createHttpServer } from '../http/httpServer.js'
import type { UserRegistered } from '../contracts.js'
import type { UserService } from './userService.js'

/** `POST /users`, `GET /users/:userId`, `GET /health`. */
export function createUserApi(users: UserService): FastifyInstance {
  const server = createHttpServer(users.service)
  server.post('/users', async (request, reply) => {
    const registeredAt = new Date().toISOString()
    // What is wrong with it is for the contract's schema to say.
    const user = { registeredAt, ...(request.body as object) } as UserRegistered
    await users.register(user)
    return reply
      .code(201)
      .header('location', `/users/${encodeURIComponent(user.userId)}`)
      .send(user)
  })
  server.get<{ Params: { userId: string } }>('/users/:userId', async (request, reply) => {
    const user = users.find(request.params.userId)
    return user ?? reply.code(404).send({ code: 'SHOP_NOT_FOUND', message: 'There is no such user' })
  })
  return server
}
