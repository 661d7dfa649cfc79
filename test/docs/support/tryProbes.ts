import { setTimeout } from 'node:timers/promises'
import type { Service } from '@posthorn/core'
import type { MemoryBroker } from '@posthorn/memory'

/** Asks the probes of a service in each state of its life, and prints their answers. */
export async function tryProbes(
  origin: string,
  { service, broker }: { service: Service; broker: MemoryBroker },
): Promise<void> {
  await print(origin, 'before the start')
  await service.start()
  await print(origin, 'running')
  broker.down()
  await print(origin, 'broker away')
  broker.up()
  while (!service.health().ready) await setTimeout(1)
  await print(origin, 'broker back')
  await service.stop()
  await print(origin, 'stopped')
}

async function print(origin: string, when: string): Promise<void> {
  const [livez, readyz] = await Promise.all([fetch(`${origin}/livez`), fetch(`${origin}/readyz`)])
  const { reasons } = (await readyz.json()) as { reasons: readonly { code: string }[] }
  const { live } = (await livez.json()) as { live: boolean }
  if (livez.ok !== live) throw new Error('status and body of /livez differ')
  const codes = [...new Set(reasons.map(({ code }) => code))]
  console.log([`${when}: livez ${livez.status}, readyz ${readyz.status}`, ...codes].join(' '))
}
