// Compiled by types.test.ts, never run. Each `@ts-expect-error` stands where a mistake must not compile.
import { orderPaidSchema, orderPlacedSchema } from '@posthorn/schemas'
import { type as arktype } from 'arktype'
import { expectTypeOf } from 'vitest'
import { z } from 'zod'
import { defineCommand, defineEvent } from '../src/index.js'
import type { CommandContract, Contract, DataOf, EventContract, JsonSchema } from '../src/index.js'

const at = { type: 'com.example.order.placed.v1', destination: 'orders' }

interface Order {
  readonly orderId: string
  readonly currency: 'EUR' | 'USD'
}

/** The shape of the core's `publish` and `on`: contracts must carry their data type through both. */
declare function publish<Data>(contract: Contract<Data>, data: Data): void
declare function on<Data>(contract: Contract<Data>, handler: (message: { data: Data }) => void): void
declare function command(contract: CommandContract): void

// A literal schema gives the data type and types the callback.
const literal = defineEvent({
  ...at,
  schema: {
    type: 'object',
    required: ['orderId', 'currency'],
    additionalProperties: false,
    properties: {
      orderId: { type: 'string' },
      currency: { enum: ['EUR', 'USD'] },
      lines: { type: 'array', items: { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } } },
    },
  },
  partitionKey: (order) => {
    expectTypeOf(order.orderId).toEqualTypeOf<string>()
    expectTypeOf(order.currency).toEqualTypeOf<'EUR' | 'USD'>()
    return order.orderId
  },
})
on(literal, ({ data }) => {
  expectTypeOf(data.currency).toEqualTypeOf<'EUR' | 'USD'>()
  expectTypeOf(data.lines).toEqualTypeOf<{ [x: string]: unknown; n: number }[] | undefined>()
})
publish(literal, { orderId: 'o-1', currency: 'EUR', lines: [{ n: 1 }] })
// @ts-expect-error -- a required property is missing
publish(literal, { orderId: 'o-1' })
// @ts-expect-error -- not one of the values
publish(literal, { orderId: 'o-1', currency: 'GBP' })
// @ts-expect-error -- the schema is closed
publish(literal, { orderId: 'o-1', currency: 'EUR', more: 1 })

// Contracts are open unless the schema closes them.
publish(defineEvent({ ...at, schema: { type: 'object', properties: {} } }), { anything: 1 })

// The schemas of @posthorn/schemas are literals too.
const placed = defineEvent({ ...at, schema: orderPlacedSchema, partitionKey: (order) => order.orderId })
on(placed, ({ data }) => {
  expectTypeOf(data.lines[0]!.quantity).toEqualTypeOf<number>()
  expectTypeOf(data.currency).toEqualTypeOf<'EUR' | 'USD' | 'CNY'>()
  expectTypeOf(data.note).toEqualTypeOf<string | undefined>()
})
expectTypeOf<DataOf<typeof orderPaidSchema>['amountCents']>().toEqualTypeOf<number>()

// A Standard JSON Schema gives its own type.
const zodSchema = z.object({ orderId: z.string(), currency: z.enum(['EUR', 'USD']) })
const fromZod = defineEvent({ ...at, schema: zodSchema, partitionKey: (order) => order.orderId })
expectTypeOf(fromZod).toEqualTypeOf<EventContract<{ orderId: string; currency: 'EUR' | 'USD' }>>()
const arktypeSchema = arktype({ orderId: 'string', currency: "'EUR' | 'USD'" })
const fromArktype = defineCommand({ ...at, schema: arktypeSchema, partitionKey: (order) => order.orderId })
expectTypeOf(fromArktype).toEqualTypeOf<CommandContract<{ orderId: string; currency: 'EUR' | 'USD' }>>()

// One that transforms does not compile: what is published would not be what arrives.
const transform = z.object({ quantity: z.string().transform(Number) })
// @ts-expect-error -- transform
defineEvent({ ...at, schema: transform })
// @ts-expect-error -- transform, also with a key
defineCommand({ ...at, schema: transform, partitionKey: () => 'key' })
// @ts-expect-error -- a default fills in what was not sent
defineEvent({ ...at, schema: z.object({ quantity: z.number().default(1) }) })
// @ts-expect-error -- coercion
defineEvent({ ...at, schema: z.object({ quantity: z.coerce.number() }) })
// @ts-expect-error -- a morph of ArkType
defineEvent({ ...at, schema: arktype({ quantity: 'string.numeric.parse' }) })

// A schema that is only known as JSON takes a given type.
declare const imported: JsonSchema
const given = defineEvent.typed<Order>()({ ...at, schema: imported, partitionKey: (order) => order.orderId })
expectTypeOf(given).toEqualTypeOf<EventContract<Order>>()
expectTypeOf(defineCommand.typed<Order>()({ ...at, schema: imported })).toEqualTypeOf<CommandContract<Order>>()
// Without a given type its data is unknown, not any.
expectTypeOf(defineEvent({ ...at, schema: imported })).toEqualTypeOf<EventContract<unknown>>()
// @ts-expect-error -- the key is read from the given type
defineEvent.typed<Order>()({ ...at, schema: imported, partitionKey: (order) => order.id })

// A contract of any data is a contract; the two kinds stay apart.
expectTypeOf([literal, placed, fromZod, fromArktype, given]).toExtend<readonly Contract[]>()
command(fromArktype)
// @ts-expect-error -- an event is no command
command(literal)

// Definitions are complete, and have no unknown keys.
// @ts-expect-error -- no destination
defineEvent({ type: 'a.v1', schema: {} })
// @ts-expect-error -- no schema
defineEvent({ ...at })
// @ts-expect-error -- unknown key
defineEvent({ ...at, schema: {}, topic: 'orders' })
// @ts-expect-error -- a key is a string
defineEvent({ ...at, schema: zodSchema, partitionKey: () => 7 })
// @ts-expect-error -- contracts do not change
literal.destination = 'other'
