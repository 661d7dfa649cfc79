import pc from 'picocolors'
import { createProgram } from './cli.js'

try {
  await createProgram().parseAsync()
} catch (error) {
  process.stderr.write(`${pc.red('error:')} ${(error as Error).message}\n`)
  process.exitCode = 1
}
