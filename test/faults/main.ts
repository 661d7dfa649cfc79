import { createProgram } from './cli.js'

try {
  await createProgram().parseAsync()
} catch (error) {
  process.stderr.write(`error: ${(error as Error).message}\n`)
  process.exitCode = 1
}
// kafkajs leaves a timer that sets itself anew where a connection went away under a request (its issue 1751).
process.exit()
