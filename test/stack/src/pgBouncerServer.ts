import { cpSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { debianLibraries, installDebianPackage } from './installDebian.js'
import { nodeFolder, type Instance, type InstanceNode } from './instances.js'
import { onLoopback, probePostgres } from './probes.js'
import type { ServerCommand, ServerKind } from './server.js'
import { asUnprivileged, checkThatOthersMayEnter } from './unprivileged.js'

/** How connections are shared: each is the name of a database of PgBouncer, and all are one of PostgreSQL. */
export const pgBouncerModes = ['transaction', 'session'] as const

/** So few that clients have to share them. */
const poolSize = 10

const configOf = (node: InstanceNode, upstream: string): string => {
  const { hostname, port, username, password, pathname } = new URL(upstream)
  const server = [
    `host=${hostname}`,
    `port=${port || 5432}`,
    `user=${decodeURIComponent(username)}`,
    ...(password === '' ? [] : [`password=${decodeURIComponent(password)}`]),
    `dbname=${pathname.slice(1)}`,
  ].join(' ')
  return [
    '[databases]',
    ...pgBouncerModes.map((mode) => `${mode} = ${server} pool_mode=${mode}`),
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${node.ports['sql']}`,
    'unix_socket_dir =',
    'auth_type = any',
    `default_pool_size = ${poolSize}`,
    '',
  ].join('\n')
}

// A copy, since that user may not be allowed to read the cache.
const programs = (instance: Instance): string => join(instance.folder, 'native')
const configFile = (instance: Instance, node: InstanceNode): string => join(nodeFolder(instance, node), 'pgbouncer.ini')

const prepare = async (instance: Instance): Promise<void> => {
  const node = instance.nodes[0] as InstanceNode
  if (instance.upstream === undefined) throw new Error('PgBouncer stands before a server: give its address')
  checkThatOthersMayEnter(instance.folder)
  cpSync(instance.installed, programs(instance), { recursive: true, verbatimSymlinks: true })
  writeFileSync(configFile(instance, node), configOf(node, instance.upstream))
}

const command = (instance: Instance, node: InstanceNode): ServerCommand => {
  const root = programs(instance)
  const binary = ['usr/sbin/pgbouncer', 'usr/bin/pgbouncer'].map((name) => join(root, name)).find(existsSync)
  if (binary === undefined) throw new Error(`${instance.installed} has no pgbouncer: delete it and try again`)
  return { ...asUnprivileged(binary, [configFile(instance, node)]), env: debianLibraries(root) }
}

export const pgBouncerServer: ServerKind = {
  portNames: { shared: [], perNode: ['sql'] },
  install: (_version, progress) => installDebianPackage('pgbouncer', progress),
  prepare,
  command,
  answers: async (_instance, node) => (await probePostgres(onLoopback(node.ports['sql']))) !== undefined,
}

/** One for each mode, in their order. */
export const pgBouncerUrls = (instance: Instance): string[] =>
  pgBouncerModes.map((mode) => `postgres://postgres@127.0.0.1:${instance.nodes[0]?.ports['sql']}/${mode}`)
