import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { aptInstall, isDebianRoot } from './debian.js'
import { cacheFolder } from './folders.js'
import { installOnce, retry, type Installed } from './install.js'
import type { Progress } from './progress.js'
import { hasProgram, run, runOk } from './run.js'
import type { KafkaVersion } from './targets.js'

interface Release {
  readonly version: string
  /** What connects Kafka's logging calls to a log: its own packages bring the calls only. */
  readonly logging: string
}

/** What is installed for each version. */
export const releases: Readonly<Record<KafkaVersion, Release>> = {
  '3.9': { version: '3.9.2', logging: 'org.slf4j:slf4j-reload4j:1.7.36' },
  '4.3': { version: '4.3.1', logging: 'org.apache.logging.log4j:log4j-slf4j-impl:2.25.4' },
}

const hint = 'set POSTHORN_KAFKA_BROKERS to a running cluster, or run "docker compose up -d"'

/** Makes sure of Java 17 and gives the folder of Kafka's jars, from the cache or from Maven now. */
export const installKafka = async (wanted: KafkaVersion, progress: Progress): Promise<Installed> => {
  if (process.platform !== 'linux') throw new Error(`Kafka can only be set up on Linux: ${hint}`)
  await needProgram('java', 'default-jre-headless', progress)
  const { version, logging } = releases[wanted]
  const path = join(cacheFolder(), `kafka-${version}`)
  await installOnce(path, progress, async (building, lockFd) => {
    await needProgram('mvn', 'maven', progress)
    progress(`fetching the jars of Kafka ${version} (once, 55 MB)`)
    const kafka = [`org.apache.kafka:kafka_2.13:${version}`, `org.apache.kafka:kafka-tools:${version}`]
    await fetchJars(building, [...kafka, logging], lockFd)
    renameSync(building, path)
  })
  await checkJava()
  return { path, version }
}

const needProgram = async (program: string, debianPackage: string, progress: Progress): Promise<void> => {
  if (await hasProgram(program)) return
  if (!isDebianRoot()) throw new Error(`Kafka needs '${program}' on the PATH: install ${debianPackage}, or ${hint}`)
  await aptInstall([debianPackage], progress)
}

const checkJava = async (): Promise<void> => {
  const said = await run('java', ['-version'])
  const major = Number(/version "(\d+)/.exec(said.stderr)?.[1] ?? 0)
  if (major < 17)
    throw new Error(`Kafka needs Java 17, 'java' on the PATH is ${major}: install a newer one, or ${hint}`)
}

const fetchJars = async (building: string, coordinates: readonly string[], lockFd: number): Promise<void> => {
  mkdirSync(join(building, 'libs'), { recursive: true })
  writeFileSync(join(building, 'pom.xml'), pomOf(coordinates))
  const args = ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=libs']
  await retry(3, () => runOk('mvn', args, { cwd: building, holdFd: lockFd, timeoutMs: 600_000 }))
}

const pomOf = (coordinates: readonly string[]): string => {
  const dependencies = coordinates.map((text) => {
    const [group, artifact, version] = text.split(':')
    return `    <dependency>
      <groupId>${group}</groupId>
      <artifactId>${artifact}</artifactId>
      <version>${version}</version>
    </dependency>`
  })
  return `<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>posthorn</groupId>
  <artifactId>stack-kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
${dependencies.join('\n')}
  </dependencies>
</project>
`
}
