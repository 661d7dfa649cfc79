import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { stateFolder } from '../src/folders.js'
import { createInstance, readInstances, sharedInstances, sweepOrphans, writeInstance } from '../src/instances.js'
import { currentProcess, type ProcessIdentity } from '../src/processes.js'
import { parseTarget } from '../src/targets.js'
import { withOwnState } from './fixtures.js'

withOwnState()

const create = (name: string, owner: ProcessIdentity | null = null) =>
  createInstance({
    target: parseTarget(name),
    version: '4.3.6',
    installed: '/nowhere',
    owner,
    portNames: { shared: ['epmd'], perNode: ['amqp', 'distribution'] },
  })

describe('instances', () => {
  it('are written down with a folder and ports for each node, and read back as they were', async () => {
    const instance = await create('rabbitmq-cluster')
    expect(readInstances()).toEqual([instance])
    expect(Object.keys(instance.ports)).toEqual(['epmd'])
    expect(instance.nodes.map(({ index }) => index)).toEqual([1, 2, 3])
    for (const { index } of instance.nodes) expect(existsSync(join(instance.folder, `node${index}`))).toBe(true)
    writeInstance({ ...instance, ready: true })
    expect(readInstances()).toEqual([{ ...instance, ready: true }])
  })

  it('never share a port, even when many are made at once', async () => {
    const made = await Promise.all(Array.from({ length: 8 }, () => create('rabbitmq-cluster')))
    const ports = made.flatMap((it) => [it, ...it.nodes].flatMap(({ ports }) => Object.values(ports)))
    expect(ports).toHaveLength(8 * 7)
    expect(new Set(ports).size).toBe(ports.length)
    // Outgoing connections would take a port from 32768 on while its broker is down.
    expect(Math.max(...ports)).toBeLessThan(32_768)
  })

  it('are for all only without an owner', async () => {
    const shared = await create('rabbitmq')
    await create('rabbitmq', currentProcess())
    expect(sharedInstances()).toEqual([shared])
  })

  it('are left out where their file cannot be read, and deleted only where they lie', async () => {
    mkdirSync(join(stateFolder(), 'broken'))
    writeFileSync(join(stateFolder(), 'broken/instance.json'), '{"id":')
    const instance = await create('rabbitmq')
    writeInstance(instance)
    writeFileSync(join(instance.folder, 'instance.json'), JSON.stringify({ ...instance, folder: '/etc' }))
    expect(readInstances()).toEqual([instance])
  })

  it('are swept when their owner is gone, also when its pid lives on in another process', async () => {
    const mine = await create('rabbitmq', currentProcess())
    const shared = await create('rabbitmq')
    const recycled = await create('rabbitmq', { pid: process.pid, startTime: '1' })
    const dead = await create('rabbitmq', { pid: 2 ** 22 + 1, startTime: '1' })
    expect((await sweepOrphans()).map(({ id }) => id).sort()).toEqual([recycled.id, dead.id].sort())
    expect(existsSync(recycled.folder)).toBe(false)
    expect(existsSync(dead.folder)).toBe(false)
    expect(readInstances().map(({ id }) => id)).toEqual([mine.id, shared.id])
  })
})
