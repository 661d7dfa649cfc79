/*
 * `npm test` and `npm run test:matrix`: every check of the project, with real servers, in one run.
 * `npm run test:interop`: the tests with clients of others.
 */
import { acquireKafka, acquirePostgres, acquireRabbitMq, variableNames } from '../stack/src/index.js'
import { nodeBinary, platformaticKafka2 } from './nodeVersions.js'
import { commandStep, vitestStep } from './steps.js'
import type { Step, StepResult } from './steps.js'

const matrix = process.argv.includes('--matrix')
const interop = process.argv.includes('--interop')
const progress = (step: string): void => void process.stderr.write(`${step}\n`)

const staticSteps: Step[] = [
  commandStep('format', ['npm', 'run', '--silent', 'format:check']),
  commandStep('lint', ['npm', 'run', '--silent', 'lint']),
  commandStep('types of the tests', ['npm', 'run', '--silent', 'typecheck']),
]

async function main(): Promise<void> {
  const total = { passed: 0, failed: 0 }
  const failedSteps: string[] = []
  const failures: string[] = []
  const run = async (steps: readonly Step[]): Promise<void> => {
    for (const step of steps) {
      progress(`\n== ${step.name}`)
      const result = await step.run()
      add(total, result)
      failures.push(...(result.failures ?? []))
      if (result.failed > 0) failedSteps.push(`${step.name}: ${result.failed}`)
    }
  }
  if (interop) await run(await interopSteps())
  else {
    await run([...staticSteps, vitestStep('unit tests', { project: 'unit' })])
    await run(await integrationSteps())
  }
  if (matrix) await run([...(await brokerMatrix()), await olderPostgres(), ...nodeMatrix()])
  if (failedSteps.length > 0) process.stdout.write(`\nFailed in ${failedSteps.join(', ')}\n`)
  for (const failure of failures) process.stdout.write(`failed: ${failure}\n`)
  process.stdout.write(`\n${total.passed} passed, ${total.failed} failed\n`)
  process.exitCode = total.failed === 0 ? 0 : 1
}

function add(total: { passed: number; failed: number }, result: StepResult): void {
  total.passed += result.passed
  total.failed += result.failed
}

/** Servers are acquired once, here, and handed to the tests by their addresses; they end with this process. */
async function integrationSteps(): Promise<Step[]> {
  progress('\n== servers')
  const [rabbit, kafka, postgres] = await Promise.all([
    acquireRabbitMq({ progress }),
    acquireKafka({ progress }),
    acquirePostgres({ progress }),
  ])
  releases.push(
    () => rabbit.release(),
    () => kafka.release(),
    () => postgres.release(),
  )
  const env = {
    [variableNames.rabbitmq]: rabbit.urls.join(','),
    [variableNames.kafka]: kafka.brokers.join(','),
    [variableNames.postgres]: postgres.url,
  }
  Object.assign(process.env, env)
  return [vitestStep('integration tests', { project: 'integration', env })]
}

/** AMQP 1.0 needs RabbitMQ 4. Kafka is started by its test, which needs the tools beside it; clients install themselves. */
async function interopSteps(): Promise<Step[]> {
  progress('\n== servers')
  const rabbit = await acquireRabbitMq({ version: '4.3', progress })
  releases.push(() => rabbit.release())
  const env = { [variableNames.rabbitmq]: rabbit.urls.join(',') }
  return [vitestStep('tests with clients of others', { project: 'interop', env })]
}

/** The suite that every transport passes, on the other versions of the brokers. */
async function brokerMatrix(): Promise<Step[]> {
  const steps: Step[] = []
  for (const version of ['3.10', '4.0'] as const) {
    const rabbit = await acquireRabbitMq({ version, fresh: true, progress })
    releases.push(() => rabbit.release())
    const env = { [variableNames.rabbitmq]: rabbit.urls.join(',') }
    const filters = ['test/conformance/rabbitmq', 'packages/rabbitmq']
    steps.push(vitestStep(`RabbitMQ ${version}`, { project: 'integration', filters, env }))
  }
  const kafka = await acquireKafka({ version: '3.9', fresh: true, progress })
  releases.push(() => kafka.release())
  const env = { [variableNames.kafka]: kafka.brokers.join(',') }
  const filters = ['test/conformance/kafka', 'packages/kafka']
  const secondDriver = { ...env, POSTHORN_KAFKA_DRIVER: 'platformatic' }
  return [
    ...steps,
    vitestStep('Kafka 3.9', { project: 'integration', filters, env }),
    vitestStep('Kafka 3.9 with the second driver', {
      project: 'integration',
      filters: ['packages/kafka/test/kafka.', 'packages/kafka/test/sasl', 'packages/kafka/test/tls'],
      env: secondDriver,
    }),
    vitestStep('the second driver on the second major version of its client', {
      project: 'integration',
      filters: ['packages/kafka/test/driver/platformatic', 'test/conformance/kafkaPlatformatic'],
      env: { ...env, POSTHORN_PLATFORMATIC_KAFKA: platformaticKafka2() },
      node: nodeBinary(24),
    }),
  ]
}

/** The suite that every store passes, and the package's tests with a server, on the oldest PostgreSQL that we support. */
async function olderPostgres(): Promise<Step> {
  const version = '15'
  const postgres = await acquirePostgres({ version, fresh: true, progress })
  releases.push(() => postgres.release())
  const env = { [variableNames.postgres]: postgres.url, POSTHORN_POSTGRES_VERSION: version }
  return vitestStep(`PostgreSQL ${version}`, { project: 'integration', filters: ['packages/postgres'], env })
}

/** Unit tests and the packed packages on the other versions of Node.js; 20 is what runs everything else. */
function nodeMatrix(): Step[] {
  return [22, 24].flatMap((major) => {
    const node = nodeBinary(major)
    return [
      vitestStep(`unit tests on Node.js ${major}`, { project: 'unit', node }),
      vitestStep(`packed packages on Node.js ${major}`, {
        project: 'integration',
        filters: ['test/packages'],
        env: { POSTHORN_NODE: node },
      }),
    ]
  })
}

const releases: (() => Promise<void>)[] = []

try {
  await main()
} finally {
  await Promise.allSettled(releases.map((release) => release()))
}
