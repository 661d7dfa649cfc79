import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { object, optionProblems, wholeNumber } from '@posthorn/core/adapter'
import type { OptionRule, Transport } from '@posthorn/core/adapter'
import { relayRules } from '../relay/relayOptions.js'
import type { RelayOptions } from '../relay/relayOptions.js'

/** What the default export of a configuration of `posthorn-relay` is, or makes. */
export interface RelayConfig extends RelayOptions {
  readonly transport: Transport
  /** Where health is served; false: nowhere. @default { host: '127.0.0.1', port: 9080 } */
  readonly health?: HealthAddress | false
  /** From the signal to the end, in milliseconds. Longer lets more of what is under way end. @default 20_000 */
  readonly stopDeadlineMs?: number
}

/** Where health is served. Anybody who reaches it can read it. */
export interface HealthAddress {
  /** 0 takes any free port, and the log says which. @default 9080 */
  readonly port?: number
  /** Other than loopback where probes come from outside the machine or pod. @default '127.0.0.1' */
  readonly host?: string
}

/** A configuration, taken apart. */
export interface LoadedConfig {
  readonly options: RelayOptions & { readonly transport: Transport }
  readonly health: Required<HealthAddress> | false
  readonly stopDeadlineMs: number
}

/** The call or the configuration is wrong. */
export class ConfigProblem extends Error {}

const healthRule: OptionRule = (value, path) => {
  if (value === false) return undefined
  const text: OptionRule = (host, where) => (typeof host === 'string' ? undefined : `${where} must be a string`)
  return optionProblems(path, value, { port: wholeNumber(0, 65_535), host: text })[0]
}

/** Loads a configuration; throws a `ConfigProblem` that says what is wrong with the file or its export. */
export async function loadConfig(path: string): Promise<LoadedConfig> {
  const file = resolve(path)
  if (!existsSync(file)) throw new ConfigProblem(`there is no file ${file}`)
  const config = await made(file, await exported(file))
  const problems = optionProblems(
    '',
    config,
    { ...relayRules, transport: object, health: healthRule, stopDeadlineMs: wholeNumber(0) },
    ['store', 'transport'],
  )
  if (problems.length > 0)
    throw new ConfigProblem(`${file} cannot work:\n${problems.map((one) => `- ${one}`).join('\n')}`)
  const { health = {}, stopDeadlineMs = 20_000, ...options } = config as RelayConfig
  return {
    options,
    health: health === false ? false : { host: health.host ?? '127.0.0.1', port: health.port ?? 9080 },
    stopDeadlineMs,
  }
}

async function exported(file: string): Promise<unknown> {
  let module: Record<string, unknown>
  try {
    module = (await import(pathToFileURL(file).href)) as Record<string, unknown>
  } catch (error) {
    throw new ConfigProblem(`${file} could not be loaded: ${textOf(error)}`)
  }
  if (module['default'] === undefined) throw new ConfigProblem(`${file} has no default export`)
  return module['default']
}

async function made(file: string, value: unknown): Promise<unknown> {
  if (typeof value !== 'function') return value
  try {
    return await (value as () => unknown)()
  } catch (error) {
    throw new ConfigProblem(`the function that ${file} exports failed: ${textOf(error)}`)
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
