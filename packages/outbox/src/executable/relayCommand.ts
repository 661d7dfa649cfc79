import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { codeOf, createDefaultLogger, systemClock } from '@posthorn/core'
import { createLog, normalLogOptions, redactText } from '@posthorn/core/adapter'
import type { Log } from '@posthorn/core/adapter'
import type { Logger } from '@posthorn/core'
import { serveMonitoring } from '@posthorn/monitoring'
import type { Prometheus } from '@posthorn/monitoring/prometheus'
import { createRelay } from '../relay/relay.js'
import type { Relay } from '../relay/relay.js'
import { byDeadline } from '../relay/relayStart.js'
import { findPrometheus } from './findPrometheus.js'
import { ConfigProblem, loadConfig } from './relayConfig.js'
import type { LoadedConfig } from './relayConfig.js'

/** How the executable ends. 0: stopped as asked. 1: it could not run, or not stop in time. 2: called or configured wrongly. */
export type ExitCode = 0 | 1 | 2

const usage = `Usage: posthorn-relay --config relay.config.mjs

Publishes what the outbox has until SIGTERM or SIGINT, then lets what is under way end.

  --config <file>  an ES module whose default export is the configuration, or a function that makes it:
                   { store, transport, ...options of createRelay, health?: { port, host } | false, stopDeadlineMs? }
  --check          loads the configuration, asks the database for its schema and rights, connects to the broker, and ends
  --help           shows this

It serves /livez, /readyz and, where @opentelemetry/exporter-prometheus is installed, /metrics on 127.0.0.1:9080, unless
\`health\` says otherwise.
Exit codes: 0 stopped as asked; 1 could not run, or not stop in time; 2 called or configured wrongly.
`

const checkMs = 15_000
/** Beyond the time that the relay itself takes to stop. */
const graceMs = 2_000

/** Runs the executable until it has ended. Never rejects. */
export async function relayCommand(args: readonly string[]): Promise<ExitCode> {
  try {
    const { config, check, help } = parse(args)
    if (help) return say(usage)
    if (config === undefined) throw new ConfigProblem('--config names no file')
    // Before the configuration, which may ask for the provider of metrics.
    const prometheus = check ? undefined : await findPrometheus()
    const loaded = await loadConfig(config)
    return check ? await checkOnly(loaded) : await run(loaded, prometheus)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    process.stderr.write(`posthorn-relay: ${redactText(message)}\n`)
    if (error instanceof ConfigProblem) process.stderr.write('posthorn-relay --help shows how it is called\n')
    return error instanceof ConfigProblem || codeOf(error) === 'POSTHORN_CONFIGURATION' ? 2 : 1
  }
}

function parse(args: readonly string[]): { config: string | undefined; check: boolean; help: boolean } {
  try {
    const options = { config: { type: 'string' }, check: { type: 'boolean' }, help: { type: 'boolean' } } as const
    const { values } = parseArgs({ args: [...args], options })
    return { config: values.config, check: values.check ?? false, help: values.help ?? false }
  } catch (error) {
    throw new ConfigProblem(error instanceof Error ? error.message : String(error))
  }
}

function say(text: string): 0 {
  process.stdout.write(text)
  return 0
}

const logOf = ({ logger, logs }: LoadedConfig['options']): Log =>
  createLog(logger ?? createDefaultLogger(), systemClock, normalLogOptions(logs))

/** What would keep a relay from starting, without taking a partition from one that runs. */
async function checkOnly({ options }: LoadedConfig): Promise<ExitCode> {
  createRelay(options)
  const { store, transport, destinations = [] } = options
  const clock = options.clock ?? systemClock
  const logger = logOf(options)
  const deadline = clock.monotonic() + checkMs
  try {
    let partitionCount = 0
    const prepared = store.prepare().then((told) => void ({ partitionCount } = told))
    await byDeadline({ clock, deadline, work: prepared, signals: [] })
    await transport.connect({ logger, clock }, destinations, { deadline })
    return say(`The relay can run: an outbox of ${partitionCount} partitions, and ${transport.system}\n`)
  } finally {
    await transport.close(clock.monotonic() + graceMs).catch(() => {})
    await store.close().catch(() => {})
  }
}

async function run(
  { options, health, stopDeadlineMs }: LoadedConfig,
  prometheus: Prometheus | undefined,
): Promise<ExitCode> {
  const logger = logOf(options)
  const relay = createRelay({ ...options, logger })
  // Listened for from the start: a signal while the broker is awaited must end it, too.
  const signalled = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
  const metrics = prometheus === undefined ? {} : { metrics: prometheus.metrics }
  const server =
    health === false ? undefined : await serveMonitoring({ subjects: { relay }, ...metrics, ...health, logger })
  if (server !== undefined) logger.info({ event: 'relay.health', address: server.address }, 'Health is served')
  try {
    const started = relay.start({ ifUnavailable: 'wait' })
    await Promise.race([started, signalled])
    await signalled
    return await stop(relay, { logger, stopDeadlineMs })
  } finally {
    await relay.stop({ deadlineMs: 0 })
    await server?.close()
    await prometheus?.close()
    await options.store.close().catch((err: unknown) => {
      logger.warn({ event: 'relay.store', err }, 'The store did not close cleanly')
    })
  }
}

/** A second signal ends it at once. */
async function stop(
  relay: Relay,
  { logger, stopDeadlineMs }: { logger: Logger; stopDeadlineMs: number },
): Promise<ExitCode> {
  const impatient = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]).then(() => 'again')
  const stopping = byDeadline({
    clock: systemClock,
    deadline: systemClock.monotonic() + stopDeadlineMs + graceMs,
    work: relay.stop({ deadlineMs: stopDeadlineMs }),
    signals: [],
  })
  const ended = await Promise.race([
    stopping.then(
      () => 'stopped',
      () => 'late',
    ),
    impatient,
  ])
  const isDrained = ended === 'stopped' && relay.health().held === 0
  if (!isDrained)
    logger.warn({ event: 'relay.undone' }, 'Not everything ended in time; another relay publishes it again')
  return isDrained ? 0 : 1
}
