#!/usr/bin/env node
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { codeOf } from '@posthorn/core'
import { findTransports } from './broker/transports.js'
import type { BrokerChoice } from './broker/transports.js'
import { addBrokerOptions } from './brokerOptions.js'
import { findDatabases } from './database/findDatabases.js'
import type { DatabaseChoice } from './database/findDatabases.js'
import { showProgress } from './demo/progress.js'
import type { ProgressView } from './demo/progress.js'
import { addsUp, jsonOf, tableOf } from './demo/report.js'
import { runDemo } from './demo/runDemo.js'
import { openInput } from './input/readLines.js'
import type { Input } from './input/readLines.js'
import { repeatInput } from './input/repeatInput.js'
import { createShopLogger } from './logger.js'
import { writeOut } from './output.js'
import { ShopError } from './shopError.js'
import { exitCodeOf, stopSignal } from './stopSignal.js'
import type { OpenTrace } from './trace/openTrace.js'
import { serviceNames } from './trace/trace.js'

interface DemoCommand extends BrokerChoice, DatabaseChoice {
  readonly input: string
  readonly users?: string
  readonly seed: number
  readonly json?: boolean
  readonly chaos?: boolean
  readonly trace?: string
  readonly minutes?: number
  readonly metricsPort?: number
  readonly metricsHost: string
}

const sampleOrders = fileURLToPath(new URL('../data/orders.ndjson', import.meta.url))

/** With `--chaos`: a group of Kafka waits for a member that was killed, so often that it should not take long. */
const quickSessionTimeoutMs = 6_000

/** The exit codes: 0 it adds up, 1 it does not, 2 it could not run. */
const couldNotRun = 2

const command = addBrokerOptions(new Command('npm run demo --'))
  .description('Runs the shop over a file of orders, one JSON object a line, and counts what became of each.')
  .option('--input <file>', 'the orders; - reads standard input', sampleOrders)
  .option('--users <file>', 'who may order, one user a line (default: every user that the orders name)')
  .option('--chaos', 'crash the services and the relay on the way, and start them again')
  .addOption(new Option('--trace <file>', 'write the spans of the run, for `npm run check:trace`').conflicts('chaos'))
  .addOption(
    new Option('--minutes <number>', 'keep ordering for so long: the input again and again, 10 lines a second')
      .argParser(minutes)
      .conflicts('chaos'),
  )
  .addOption(
    new Option(
      '--metrics-port <port>',
      `serve metrics for Prometheus: ${serviceNames.join(', ')} on this port and the next ones`,
    )
      .argParser(port)
      .conflicts('chaos'),
  )
  .option('--metrics-host <address>', 'where they are served; 0.0.0.0 for a Prometheus in a container', '127.0.0.1')
  .option('--json', 'print one JSON object, and nothing else, on standard output')
  .addHelpText(
    'after',
    '\nWith OTEL_EXPORTER_OTLP_ENDPOINT in the environment, spans are sent there; not with --chaos.',
  )
  .addHelpText('after', '\nExit code: 0 everything adds up, 1 it does not, 2 the demo could not run.')
  .allowExcessArguments(false)
  .exitOverride()
  .action(run)

async function run(options: DemoCommand): Promise<void> {
  const signal = stopSignal()
  // Before any broker: a wrong file name is told at once.
  const input = await inputOf(options)
  if (options.users !== undefined) (await openInput(options.users)).stream.destroy()
  const isChaos = options.chaos === true
  const transports = await findTransports(isChaos ? { ...options, sessionTimeoutMs: quickSessionTimeoutMs } : options)
  const databases = await findDatabases(options)
  const logger = createShopLogger('shop', 'error')
  let trace: OpenTrace | undefined
  let view: ProgressView | undefined
  try {
    trace = await traceOf(options)
    const result = await runDemo({
      transports,
      databases,
      input,
      signal,
      usersFile: options.users,
      seed: options.seed,
      trace,
      logger,
      chaos: isChaos ? { onCrash: (what) => view?.note(`crashed: ${what}`) } : undefined,
      onStart(look) {
        logger.info({ transport: transports.name, database: databases.name, input: input.name }, 'The shop runs')
        tellAddresses(options)
        view = showProgress(look, input.totalBytes)
      },
    })
    view?.stop()
    if (result.isInterrupted) throw new Error('interrupted')
    await writeOut(options.json === true ? jsonOf(result) : tableOf(result))
    process.exitCode = addsUp(result) ? 0 : 1
  } catch (error) {
    view?.stop()
    if (!signal.aborted) throw error
    process.stderr.write('Stopped before the end.\n')
    process.exitCode = exitCodeOf(signal.reason)
  } finally {
    await trace?.close()
    await databases.close()
  }
}

function inputOf({ input, minutes: duration }: DemoCommand): Promise<Input> {
  return duration === undefined ? openInput(input) : repeatInput(input, duration * 60_000)
}

/** Undefined where nobody asks for it: then no SDK is in the process. */
async function traceOf(options: DemoCommand): Promise<OpenTrace | undefined> {
  const { trace: file, metricsHost: host, metricsPort, chaos } = options
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: tracesEndpoint } = process.env
  const otlp = chaos !== true && Boolean(endpoint || tracesEndpoint)
  if (file === undefined && metricsPort === undefined && !otlp) return undefined
  const metrics = metricsPort === undefined ? undefined : { host, port: metricsPort }
  const { openTrace } = await import('./trace/openTrace.js')
  return openTrace({ file, otlp, metrics })
}

/** Where each service tells of itself. */
function tellAddresses({ metricsHost: host, metricsPort }: DemoCommand): void {
  if (metricsPort === undefined) return
  const served = serviceNames.map((service, index) => `${service} http://${host}:${metricsPort + index}/metrics`)
  process.stderr.write(`${served.join('\n')}\n`)
}

function minutes(text: string): number {
  const value = Number(text)
  if (!(value > 0 && value <= 10_000)) throw new InvalidArgumentError('Give minutes, above 0 and up to 10000.')
  return value
}

function port(text: string): number {
  const value = Number(text)
  const last = 65_536 - serviceNames.length
  if (!/^\d{1,5}$/.test(text) || value < 1 || value > last)
    throw new InvalidArgumentError(`Give a port from 1 to ${last}.`)
  return value
}

try {
  await command.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : couldNotRun // Commander has said why.
  } else {
    const isOurs = error instanceof ShopError || codeOf(error) !== undefined
    // What has no code is a fault of the demo, and its stack is of use.
    process.stderr.write(
      `error: ${isOurs ? `${(error as Error).message} (${(error as ShopError).code})` : inspect(error)}\n`,
    )
    process.exitCode = couldNotRun
  }
}
