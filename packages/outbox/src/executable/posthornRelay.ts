#!/usr/bin/env node
/* The executable `posthorn-relay`. */
import { relayCommand } from './relayCommand.js'

const code = await relayCommand(process.argv.slice(2))
// A handle that the configuration left open must not keep a stopped relay alive.
process.exit(code)
