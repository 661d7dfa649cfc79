/* A process of a run, which writes down what it does. */
import type { Actor } from './actor.js'
import type { ChildConfig, Report, Request } from './childLink.js'
import { takeSample } from './childSample.js'
import { openLedger, runClock } from './ledgerFile.js'
import { createMovableDate } from './outbox/movableDate.js'
import { createOutboxActor } from './outbox/outboxActor.js'
import { createServiceActor } from './serviceActor.js'

const config = JSON.parse(process.argv[2]!) as ChildConfig
const ledger = openLedger(config.ledgerFile)
const now = runClock(BigInt(config.startedAt))
const date = createMovableDate()
const actor = (config.database === undefined ? createServiceActor : createOutboxActor)(config, { ledger, now })

function report(message: Report): void {
  if (process.connected) process.send!(message)
}

function answer(request: Request): void {
  switch (request.type) {
    case 'block':
      return block(request.forMs)
    case 'sample':
      return report({ type: 'sample', sample: takeSample(config.name, actor.state()) })
    case 'run':
      return actor.publishing?.run()
    case 'pause':
      return void actor.publishing?.pause().then(() => report({ type: 'paused' }))
    case 'failAt':
      return actor.failAt?.(request.point)
    case 'moveClock':
      return date.move(request.byMs)
  }
}

function block(forMs: number): void {
  const end = performance.now() + forMs
  while (performance.now() < end);
}

async function stop(running: Actor): Promise<void> {
  await running.publishing?.pause()
  await running.stop()
  await ledger.write(`e ${now()}`)
  ledger.close()
  process.exit(0)
}

// Whatever happened to the runner: nobody is left to end this process.
process.on('disconnect', () => process.exit(1))
process.on('message', answer)
process.once('SIGTERM', () => void stop(actor))
await actor.start()
report({ type: 'ready', sample: takeSample(config.name, actor.state()) })
if (config.role === 'publisher' || config.role === 'relay') {
  setInterval(() => report({ type: 'unconfirmed', count: actor.state().unconfirmed }), 250).unref()
}
