import { afterEach, describe, expect, it, vi } from 'vitest'
import { createProgram } from '../src/cli.js'
import { createInstance, writeInstance } from '../src/instances.js'
import { parseTarget } from '../src/targets.js'
import { withOwnState } from './fixtures.js'

withOwnState()
afterEach(() => {
  vi.restoreAllMocks()
})

const portNames = { shared: [], perNode: ['amqp', 'distribution'] }

const runCli = async (...args: string[]): Promise<{ out: string; err: string }> => {
  let out = ''
  let err = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += String(text)), true))
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((err += String(text)), true))
  await createProgram().parseAsync(args, { from: 'user' })
  return { out, err }
}

const pretendUp = async (name: string): Promise<number> => {
  const target = parseTarget(name)
  const made = await createInstance({ target, version: '4.3.6', installed: '/nowhere', owner: null, portNames })
  writeInstance({ ...made, ready: true })
  return made.nodes[0]?.ports['amqp'] as number
}

describe('npm run stack', () => {
  it('refuses an unknown target before it does anything', async () => {
    await expect(runCli('up', 'rabbitmq', 'rabbit')).rejects.toThrow("unknown target 'rabbit'")
  })

  it('env prints lines for a shell, or JSON', async () => {
    const port = await pretendUp('rabbitmq')
    const url = `amqp://guest:guest@127.0.0.1:${port}`
    expect((await runCli('env')).out).toBe(`export POSTHORN_RABBITMQ_URL=${url}\n`)
    expect(JSON.parse((await runCli('env', '--json')).out)).toEqual({ POSTHORN_RABBITMQ_URL: url })
  })

  it('env of one target, of two versions that are up, and of one that is not', async () => {
    const older = await pretendUp('rabbitmq@4.0')
    await pretendUp('rabbitmq@4.3')
    expect((await runCli('env', 'rabbitmq@4.0')).out).toContain(`:${older}\n`)
    expect((await runCli('env')).err).toContain('also up: rabbitmq@4.0')
    await expect(runCli('env', 'rabbitmq@3.10')).rejects.toThrow('rabbitmq@3.10 is not up')
  })

  it('says so when nothing is up', async () => {
    expect(await runCli('env')).toMatchObject({ out: '', err: expect.stringContaining('nothing is up') })
    expect(await runCli('status')).toMatchObject({ out: '', err: expect.stringContaining('nothing is up') })
    expect(await runCli('down')).toMatchObject({ err: expect.stringContaining('nothing was up') })
  })

  it('status tells that a server does not answer, and down removes it', async () => {
    await pretendUp('rabbitmq')
    const rows = JSON.parse((await runCli('status', '--json')).out) as unknown[]
    expect(rows).toMatchObject([{ target: 'rabbitmq@4.3', answering: [false], state: 'shared' }])
    expect((await runCli('down', 'kafka')).err).toContain('nothing was up')
    expect((await runCli('down', 'rabbitmq')).err).toContain('rabbitmq@4.3 is down')
    expect(JSON.parse((await runCli('status', '--json')).out)).toEqual([])
  })
})
