import { mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { acquirePostgres } from '../src/index.js'
import { bringUp, takeDown } from '../src/lifecycle.js'
import { parseTarget } from '../src/targets.js'
import { withOwnState } from './fixtures.js'
import { leftoversOf } from './leftovers.js'

withOwnState()
beforeEach(() => {
  // Somebody may run these tests beside a compose stack.
  const bin = join(tmpdir(), 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'docker'), '#!/bin/sh\nexit 1\n', { mode: 0o755 })
  vi.stubEnv('PATH', `${bin}:${process.env['PATH']}`)
})

const query = async (url: string, sql: string): Promise<unknown[]> => {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(sql)).rows as unknown[]
  } finally {
    await client.end()
  }
}

describe('a server that up started', () => {
  const target = parseTarget('postgres')

  it('is the one that tests acquire, and outlives their release', async () => {
    const instances = await Promise.all([bringUp(target), bringUp(target)])
    const [instance] = instances
    expect(instances[1]).toEqual(instance)
    const { url, managed, release } = await acquirePostgres()
    expect({ url, managed }).toEqual({
      url: `postgres://postgres@127.0.0.1:${instance?.nodes[0]?.ports['sql']}/postgres`,
      managed: true,
    })
    await release()
    expect(await query(url, 'select 1 as n')).toEqual([{ n: 1 }])
    if (instance !== undefined) await takeDown(instance)
    expect(await leftoversOf(instances[0] as NonNullable<typeof instance>)).toEqual([])
  })

  it('is started again with its data when up finds it dead, and is not acquired before that', async () => {
    const instance = await bringUp(target)
    const { url, control } = await acquirePostgres()
    await query(url, 'create table kept (n int)')
    await control?.kill()
    await using own = await acquirePostgres()
    expect(own.url).not.toBe(url)
    expect(await bringUp(target)).toEqual(instance)
    expect(await query(url, 'select n from kept')).toEqual([])
    await takeDown(instance)
    expect(await leftoversOf(instance)).toEqual([])
  })
})
