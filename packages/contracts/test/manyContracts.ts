/**
 * The source of one contract as a team would write it, with the code of its user: about 15 properties, nested objects,
 * lists, enumerations and unions, no two alike, so that the compiler can reuse nothing.
 */
export function contractModule(n: number): string {
  return `import { defineEvent, type Contract } from '@posthorn/contracts'

declare function publish<Data>(contract: Contract<Data>, data: Data): Promise<void>
declare function on<Data>(contract: Contract<Data>, handler: (message: { data: Data }) => unknown): void

export const thingHappened${n} = defineEvent({
  type: 'com.example.area${n % 12}.thing${n}.happened.v1',
  destination: 'area${n % 12}',
  schema: {
    $id: 'https://example.com/schemas/thing-${n}.v1.json',
    title: 'Thing ${n} happened',
    type: 'object',
    required: ['thing${n}Id', 'owner', 'state', 'at', 'lines', 'address', 'payment'],
    properties: {
      thing${n}Id: { type: 'string', format: 'uuid' },
      owner: { type: 'string', minLength: 1 },
      state: { enum: ['created', 'changed', 'closed', 'state${n}'] },
      at: { type: 'string', format: 'date-time' },
      note: { type: 'string', maxLength: 2000 },
      labels: { type: 'array', items: { type: 'string' } },
      priority: { type: 'integer', minimum: 0, maximum: 9 },
      address: {
        type: 'object',
        required: ['street', 'city', 'country'],
        properties: {
          street: { type: 'string' },
          city: { type: 'string' },
          zip${n}: { type: 'string' },
          country: { type: 'string', pattern: '^[A-Z]{2}$' },
        },
      },
      lines: {
        type: 'array',
        minItems: 1,
        items: {
          type: 'object',
          additionalProperties: false,
          required: ['sku', 'quantity', 'price'],
          properties: {
            sku: { type: 'string' },
            quantity: { type: 'integer', minimum: 1 },
            discount: { type: ['number', 'null'] },
            price: {
              type: 'object',
              required: ['cents', 'currency'],
              properties: { cents: { type: 'integer' }, currency: { enum: ['EUR', 'USD', 'CNY'] } },
            },
          },
        },
      },
      payment: {
        oneOf: [
          { type: 'object', required: ['kind', 'card'], properties: { kind: { const: 'card' }, card: { type: 'string' } } },
          { type: 'object', required: ['kind', 'iban'], properties: { kind: { const: 'bank' }, iban: { type: 'string' } } },
        ],
      },
    },
  },
  partitionKey: (thing) => thing.thing${n}Id,
})

on(thingHappened${n}, ({ data }) => {
  const cents: number = data.lines.reduce((sum, line) => sum + line.quantity * line.price.cents, 0)
  const labels: readonly string[] = data.labels ?? []
  return [cents, labels, data.address.zip${n}?.trim(), data.payment.kind === 'card']
})

export const published${n}: Promise<void> = publish(thingHappened${n}, {
  thing${n}Id: '${n}',
  owner: 'team',
  state: 'state${n}',
  at: '2026-11-21T07:56:56Z',
  lines: [{ sku: 'a', quantity: 1, price: { cents: 5, currency: 'EUR' } }],
  address: { street: 'Main Street ${n}', city: 'Anytown', country: 'DE' },
  payment: { kind: 'card', card: '4111' },
})
`
}
