import { aptInstall, isDebianRoot } from '../stack/src/debian.js'
import { hasProgram, run } from '../stack/src/run.js'
import type { Codec } from './kafkaConsole.js'
import { inOrder } from './kafkaRecord.js'
import type { ForeignClient, Header, KafkaRecord } from './kafkaRecord.js'

/** The version that the tests run with on Debian 12, and the docs name. */
export const kcatVersion = '1.7.1'

const timeoutMs = 60_000
/** Nothing that the tests write contains these. */
const field = '\u001f'
const record = '\u001e'

/** kcat comes from Debian, where we may install it, or has to be there. */
export async function installKcat(): Promise<void> {
  if (await hasProgram('kcat')) return
  if (!isDebianRoot()) throw new Error("the tests need 'kcat' on the PATH: install it")
  await aptInstall(['kcat'], (step) => void process.stderr.write(`kcat ${step}\n`))
}

/** How it distributes keys; its own default is another one than Java’s. */
export interface KcatOptions {
  /** librdkafka’s `partitioner`. @default 'murmur2_random' */
  readonly partitioner?: string
  /** Codec of the batches. @default none */
  readonly compression?: Codec
  /** Whether it reads what transactions have not committed. @default 'read_committed' */
  readonly isolation?: 'read_committed' | 'read_uncommitted'
}

/** kcat, which is librdkafka on the command line: C, C++, Python, Go and .NET clients share it. */
export function kcat(brokers: readonly string[], options: KcatOptions = {}): ForeignClient {
  async function call(args: readonly string[], input?: string): Promise<string> {
    const said = await run('kcat', ['-b', brokers.join(','), ...args], {
      timeoutMs,
      ...(input === undefined ? {} : { input }),
    })
    if (said.code !== 0 || said.stderr.includes('ERROR')) throw new Error(`kcat ${args.join(' ')}: ${said.stderr}`)
    return said.stdout
  }

  /** Headers are those of a call, so a record is one. */
  async function writeOne(topic: string, { key, value, headers }: KafkaRecord): Promise<void> {
    const { partitioner = 'murmur2_random', compression } = options
    const args = ['-P', '-t', topic, '-X', `partitioner=${partitioner}`, '-D', record]
    if (compression !== undefined) args.push('-z', compression)
    for (const [name, text] of headers) args.push('-H', text === null ? name : `${name}=${text}`)
    if (key !== null) args.push('-K', field)
    if (value === null) args.push('-Z') // What is empty is null then.
    await call(args, `${key === null ? '' : key + field}${value ?? ''}${record}`)
  }

  return {
    async write(topic, ...records) {
      for (const one of records) await writeOne(topic, one)
    },
    async read(topic, count) {
      const { isolation = 'read_committed' } = options
      const args = ['-t', topic, '-o', 'beginning', '-c', String(count), '-X', `isolation.level=${isolation}`]
      const text = await call(['-C', '-q', '-u', '-J', ...args])
      const lines = text.trimEnd().split('\n')
      return inOrder(lines.map(recordOf))
    },
  }
}

/** A line of `-J`. */
interface JsonRecord {
  readonly partition: number
  readonly offset: number
  /** Names and values in turn. */
  readonly headers?: readonly (string | null)[]
  readonly key: string | null
  readonly payload: string | null
}

function recordOf(line: string): ReturnType<typeof inOrder>[number] {
  const { partition, offset, headers = [], key, payload } = JSON.parse(line) as JsonRecord
  const pairs: Header[] = []
  for (let index = 0; index < headers.length; index += 2) pairs.push([headers[index]!, headers[index + 1] ?? null])
  return { partition, offset, key, value: payload, headers: pairs }
}
