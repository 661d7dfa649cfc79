import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** The oldest release of amqplib 2 without a known way to lose or corrupt a message. */
const oldest = [2, 3, 1] as const

/**
 * The version of the amqplib that a file of ours gets when it imports it; undefined where that cannot be told, such as
 * in a bundle.
 */
export function installedAmqplib(importer: string | URL = import.meta.url): string | undefined {
  try {
    // By path, since amqplib exports its main file only.
    const file = join(dirname(createRequire(importer).resolve('amqplib')), 'package.json')
    const { name, version } = JSON.parse(readFileSync(file, 'utf8')) as { name?: unknown; version?: unknown }
    return name === 'amqplib' && typeof version === 'string' ? version : undefined
  } catch {
    return undefined
  }
}

/**
 * Says what is wrong with a version that an override or a hoisted package brought here; undefined when it fits, or is
 * not known.
 */
export function amqplibProblem(version: string | undefined): string | undefined {
  if (version === undefined) return undefined
  const [major = 0, minor = 0, patch = 0] = version.split(/[.+-]/).map(Number)
  const [oldestMajor, oldestMinor, oldestPatch] = oldest
  const fits = major === oldestMajor && (minor > oldestMinor || (minor === oldestMinor && patch >= oldestPatch))
  if (fits) return undefined
  return (
    `amqplib must be ${oldest.join('.')} or a later release of ${oldestMajor}, and ${version} is installed: ` +
    'look for an override or another package that pins it (npm ls amqplib)'
  )
}
