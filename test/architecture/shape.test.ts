import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { layers, packageSources, root } from './sources.js'

const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && existsSync(join(root, path)))

describe('the shape of the repository', () => {
  test('the two broker adapters are twins, file by file', () => {
    const common = ['options.ts', 'connection.ts', 'topology.ts', 'messageMapping.ts', 'errorMapping.ts', 'index.ts']
    const expected = {
      rabbitmq: [...common, 'rabbitMqSender.ts', 'rabbitMqSubscriber.ts'],
      kafka: [...common, 'kafkaSender.ts', 'kafkaSubscriber.ts'],
    }
    const missing = Object.entries(expected).flatMap(([adapter, files]) =>
      files.map((file) => `packages/${adapter}/src/${file}`).filter((path) => !existsSync(join(root, path))),
    )
    expect(missing).toEqual([])
  })

  test('no source file has more than 400 lines', () => {
    const long = packageSources()
      .map(({ path, text }) => ({ path, lines: text.split('\n').length }))
      .filter(({ lines }) => lines > 400)
    expect(long).toEqual([])
  })

  test('no file is named for having no subject', () => {
    const named = packageSources().filter(({ path }) => /(^|\/)(utils?|helpers?|common|misc)(\.|\/)/i.test(path))
    expect(named.map(({ path }) => path)).toEqual([])
  })

  test('only errors inherit', () => {
    const inherits = packageSources().flatMap(({ path, text }) =>
      [...text.matchAll(/class \w+ extends (\w+)/g)]
        .filter((match) => !match[1]!.endsWith('Error'))
        .map((match) => `${path}: ${match[0]}`),
    )
    expect(inherits).toEqual([])
  })

  test('no file names a package registry or a path of the machine it was written on', () => {
    // Put together here, so that this file does not find itself.
    const registries = [
      'registry.npm' + 'js',
      'deb.deb' + 'ian.org',
      'repo1.mav' + 'en',
      'pypi.o' + 'rg',
      'proxy.gol' + 'ang',
    ]
    const places = ['/work/' + 'main', '/work/' + 'shared', '/ro' + 'ot/']
    const wrong = tracked.flatMap((path) => {
      const text = readFileSync(join(root, path), 'utf8')
      return [...registries, ...places].filter((needle) => text.includes(needle)).map((needle) => `${path}: ${needle}`)
    })
    expect(wrong).toEqual([])
  })

  test('every published package is ESM with one door, no side effects and no install script', () => {
    for (const layer of layers) {
      const folder = layer === 'schemas' ? layer : `packages/${layer}`
      const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Record<string, unknown>
      expect(manifest, folder).toMatchObject({
        type: 'module',
        sideEffects: false,
        license: 'MIT',
        engines: { node: '>=20.19' },
      })
      expect(manifest['exports'], folder).toBeTypeOf('object')
      expect(manifest['files'], folder).toBeInstanceOf(Array)
      const scripts = Object.keys((manifest['scripts'] ?? {}) as object)
      expect(
        scripts.filter((name) => /install|prepare/.test(name)),
        folder,
      ).toEqual([])
      for (const file of ['README.md', 'LICENSE'])
        expect(existsSync(join(root, folder, file)), `${folder}/${file}`).toBe(true)
    }
  })
})
