import type { Sdk } from './sdk.js'

/** What a metric says, by the values of its labels beside those of the service: `{ 'billing error': 1 }`. */
export async function numbersOf(sdk: Sdk, name: string): Promise<Record<string, number>> {
  return Object.fromEntries(
    (await sdk.points(name)).map(({ attributes, value }) => {
      const { 'posthorn.service': _service, 'messaging.system': _system, ...own } = attributes
      return [Object.values(own).join(' '), value as number]
    }),
  )
}

/** Of those, what is not zero. */
export async function raisedOf(sdk: Sdk, name: string): Promise<Record<string, number>> {
  return Object.fromEntries(Object.entries(await numbersOf(sdk, name)).filter(([, value]) => value !== 0))
}
