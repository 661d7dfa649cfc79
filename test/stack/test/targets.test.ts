import { describe, expect, it } from 'vitest'
import { parseTarget, targetNames } from '../src/targets.js'

describe('targets', () => {
  it('reads every name that the help lists, and names it the same', () => {
    expect(targetNames.map((name) => parseTarget(name).name)).toEqual(targetNames)
  })

  it('takes a bare name for the newest version', () => {
    expect(parseTarget('rabbitmq')).toEqual({ name: 'rabbitmq@4.3', kind: 'rabbitmq', version: '4.3', nodes: 1 })
    expect(parseTarget('kafka')).toEqual({ name: 'kafka@4.3', kind: 'kafka', version: '4.3', nodes: 1 })
    expect(parseTarget('postgres')).toEqual({ name: 'postgres', kind: 'postgres', version: '18', nodes: 1 })
  })

  it('takes an older PostgreSQL by its version, and the newest one by its version too', () => {
    expect(parseTarget('postgres@15')).toEqual({ name: 'postgres@15', kind: 'postgres', version: '15', nodes: 1 })
    expect(parseTarget('postgres@18')).toEqual(parseTarget('postgres'))
  })

  it('gives a cluster three nodes, of an older version too', () => {
    expect(parseTarget('kafka-cluster')).toMatchObject({ name: 'kafka-cluster', version: '4.3', nodes: 3 })
    expect(parseTarget('rabbitmq-cluster@4.0')).toMatchObject({ name: 'rabbitmq-cluster@4.0', nodes: 3 })
  })

  it.each(['redis', 'rabbitmq@3.9', 'kafka@', 'postgres-cluster', 'postgres@17', '', 'rabbitmq@4.3@4.3', 'toString'])(
    'refuses %j with the list of what there is',
    (text) => {
      expect(() => parseTarget(text)).toThrow(/unknown target '.*': choose from rabbitmq@3\.10, /)
    },
  )
})
