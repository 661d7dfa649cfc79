import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { acquireRabbitMq } from '../src/acquire.js'
import { addressOf, findInCompose, findInEnvironment, readComposeServers } from '../src/find.js'
import { withOwnState } from './fixtures.js'

withOwnState()
let server: Server | undefined
afterEach(() => {
  server?.close()
})

const listen = async (): Promise<number> => {
  server = createServer((socket) => socket.end()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

describe('addresses', () => {
  it('are read from URLs and from host:port, with the usual ports', () => {
    expect(addressOf('rabbitmq', 'amqp://u:p@host:5673/vhost')).toEqual({ host: 'host', port: 5673 })
    expect(addressOf('rabbitmq', 'amqp://host')).toEqual({ host: 'host', port: 5672 })
    expect(addressOf('rabbitmq', 'amqps://host')).toEqual({ host: 'host', port: 5671 })
    expect(addressOf('kafka', 'host:9093')).toEqual({ host: 'host', port: 9093 })
    expect(addressOf('kafka', '[::1]:9093')).toEqual({ host: '::1', port: 9093 })
    expect(addressOf('postgres', 'postgres://u@host/db')).toEqual({ host: 'host', port: 5432 })
  })
})

describe('servers that the environment names', () => {
  it('are used as they are, all of a list', async () => {
    const port = await listen()
    vi.stubEnv('POSTHORN_KAFKA_BROKERS', `127.0.0.1:${port}, localhost:${port}`)
    expect(await findInEnvironment({ kind: 'kafka', version: '3.9', nodes: 1 })).toEqual({
      addresses: [`127.0.0.1:${port}`, `localhost:${port}`],
      version: 'unknown',
    })
  })

  it('are not taken for a cluster of three when they are fewer', async () => {
    vi.stubEnv('POSTHORN_KAFKA_BROKERS', `127.0.0.1:${await listen()}`)
    expect(await findInEnvironment({ kind: 'kafka', version: undefined, nodes: 3 })).toBeUndefined()
  })

  it('are an error that names the address without the password when nothing answers there', async () => {
    const port = await listen()
    server?.close()
    vi.stubEnv('POSTHORN_RABBITMQ_URL', `amqp://user:secret@127.0.0.1:${port}`)
    const failed = await findInEnvironment({ kind: 'rabbitmq', version: undefined, nodes: 1 }).catch(String)
    expect(failed).toContain(`POSTHORN_RABBITMQ_URL names 127.0.0.1:${port}, where nothing answers`)
    expect(failed).not.toContain('secret')
  })

  it('are none when the variable is not set', async () => {
    expect(await findInEnvironment({ kind: 'postgres', version: undefined, nodes: 1 })).toBeUndefined()
  })
})

describe('servers of a compose stack', () => {
  const container = (over: object = {}): object => ({
    Service: 'rabbitmq',
    State: 'running',
    Health: 'healthy',
    Image: 'rabbitmq:4.3.6-management',
    Publishers: [
      { URL: '127.0.0.1', TargetPort: 15672, PublishedPort: 15672, Protocol: 'tcp' },
      { URL: '127.0.0.1', TargetPort: 5672, PublishedPort: 5673, Protocol: 'tcp' },
    ],
    ...over,
  })
  const wanted = { kind: 'rabbitmq', version: undefined, nodes: 1 } as const
  const found = { addresses: ['amqp://guest:guest@127.0.0.1:5673'], version: '4.3.6' }

  it('are read from lines and from an array', () => {
    const other = JSON.stringify(container({ Service: 'kafka' }))
    expect(readComposeServers(`${other}\n${JSON.stringify(container())}\n`, wanted)).toEqual(found)
    expect(readComposeServers(JSON.stringify([container()]), wanted)).toEqual(found)
  })

  it('count only when they run, are of the version asked for, and one node is enough', () => {
    expect(readComposeServers('', wanted)).toBeUndefined()
    expect(readComposeServers(JSON.stringify(container({ State: 'exited' })), wanted)).toBeUndefined()
    expect(readComposeServers(JSON.stringify(container({ Health: 'unhealthy' })), wanted)).toBeUndefined()
    expect(readComposeServers(JSON.stringify(container({ Publishers: null })), wanted)).toBeUndefined()
    expect(readComposeServers(JSON.stringify(container()), { ...wanted, version: '4.0' })).toBeUndefined()
    expect(readComposeServers(JSON.stringify(container()), { ...wanted, version: '4.3' })).toEqual(found)
    expect(readComposeServers(JSON.stringify(container()), { ...wanted, nodes: 3 })).toBeUndefined()
  })

  it('are asked for of the compose file of this checkout', async () => {
    const bin = mkdtempSync(join(tmpdir(), 'bin-'))
    const script = `#!/bin/sh\ncase "$*" in *"/docker-compose.yml ps --format json") echo '${JSON.stringify(container())}' ;; esac\n`
    writeFileSync(join(bin, 'docker'), script, { mode: 0o755 })
    vi.stubEnv('PATH', `${bin}:${process.env['PATH']}`)
    expect(await findInCompose(wanted)).toEqual(found)
    const { urls, version, managed, control } = await acquireRabbitMq()
    expect({ urls, version, managed, control }).toEqual({
      urls: found.addresses,
      version: '4.3.6',
      managed: false,
      control: undefined,
    })
  })

  it('are none where docker fails, prints something else, or is not there', async () => {
    const bin = mkdtempSync(join(tmpdir(), 'bin-'))
    vi.stubEnv('PATH', `${bin}:/usr/bin:/bin`)
    writeFileSync(join(bin, 'docker'), '#!/bin/sh\necho no daemon >&2; exit 1\n', { mode: 0o755 })
    expect(await findInCompose(wanted)).toBeUndefined()
    writeFileSync(join(bin, 'docker'), '#!/bin/sh\necho NAME IMAGE\n', { mode: 0o755 })
    expect(await findInCompose(wanted)).toBeUndefined()
    vi.stubEnv('PATH', '/nowhere')
    expect(await findInCompose(wanted)).toBeUndefined()
  })
})
