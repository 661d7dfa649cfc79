#!/usr/bin/env node
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { Command, CommanderError } from 'commander'
import { codeOf } from '@posthorn/core'
import { findTransports } from './broker/transports.js'
import type { BrokerChoice } from './broker/transports.js'
import { addBrokerOptions } from './brokerOptions.js'
import { showProgress } from './demo/progress.js'
import type { ProgressView } from './demo/progress.js'
import { addsUp, jsonOf, tableOf } from './demo/report.js'
import { runDemo } from './demo/runDemo.js'
import { openInput } from './input/readLines.js'
import { createShopLogger } from './logger.js'
import { writeOut } from './output.js'
import { ShopError } from './shopError.js'
import { exitCodeOf, stopSignal } from './stopSignal.js'

interface DemoCommand extends BrokerChoice {
  readonly input: string
  readonly users?: string
  readonly seed: number
  readonly json?: boolean
}

const sampleOrders = fileURLToPath(new URL('../data/orders.ndjson', import.meta.url))

/** The exit codes: 0 it adds up, 1 it does not, 2 it could not run. */
const couldNotRun = 2

const command = addBrokerOptions(new Command('npm run demo --'))
  .description('Runs the shop over a file of orders, one JSON object a line, and counts what became of each.')
  .option('--input <file>', 'the orders; - reads standard input', sampleOrders)
  .option('--users <file>', 'who may order, one user a line (default: every user that the orders name)')
  .option('--json', 'print one JSON object, and nothing else, on standard output')
  .addHelpText('after', '\nExit code: 0 everything adds up, 1 it does not, 2 the demo could not run.')
  .allowExcessArguments(false)
  .exitOverride()
  .action(run)

async function run(options: DemoCommand): Promise<void> {
  const signal = stopSignal()
  // Before any broker: a wrong file name is told at once.
  const input = await openInput(options.input)
  if (options.users !== undefined) (await openInput(options.users)).stream.destroy()
  const transports = await findTransports(options)
  const logger = createShopLogger('shop', 'error')
  let view: ProgressView | undefined
  try {
    const result = await runDemo({
      transports,
      input,
      signal,
      usersFile: options.users,
      seed: options.seed,
      logger,
      onStart(look) {
        logger.info({ transport: transports.name, input: input.name }, 'The shop runs')
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
  }
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
