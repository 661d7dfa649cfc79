import { describe, expect, it } from 'vitest'
import {
  anything,
  boolean,
  callable,
  listOf,
  object,
  oneOf,
  optionProblems,
  refuseProblems,
  text,
  wholeNumber,
  withDefaults,
} from '../src/optionProblems.js'
import type { OptionRule } from '../src/optionProblems.js'
import { problemsOf } from './rejections.js'

const rules = { count: wholeNumber(1, 9), name: text }

describe('optionProblems', () => {
  it('finds nothing in options that obey, nor in those that are undefined', () => {
    expect(optionProblems('', { count: 9, name: 'a' }, rules, ['count'])).toEqual([])
    expect(optionProblems('', { count: undefined, name: undefined }, rules)).toEqual([])
    expect(optionProblems('', {}, rules)).toEqual([])
  })

  it('lists every problem, each with its path', () => {
    const problems = optionProblems('retry', { count: 0, nmae: 'a', name: '' }, rules, ['other'])
    expect(problems.map((problem) => problem.split(' ')[0])).toEqual([
      'retry.count',
      'retry.nmae',
      'retry.name',
      'retry.other',
    ])
    expect(optionProblems('', { count: 0 }, rules)[0]).toMatch(/^count /)
  })

  it('takes undefined for missing where an option is required, and null for a value', () => {
    expect(optionProblems('', { count: undefined }, rules, ['count'])).toHaveLength(1)
    expect(optionProblems('', { count: null }, rules, ['count'])).toHaveLength(1)
  })

  it('knows no option by inheritance', () => {
    for (const key of ['constructor', 'toString', 'hasOwnProperty']) {
      expect(optionProblems('', { [key]: 1 }, rules)).toHaveLength(1)
    }
    expect(optionProblems('', JSON.parse('{"__proto__":1}'), rules)).toHaveLength(1)
  })

  it('refuses what is no object, and says what is', () => {
    for (const options of [undefined, null, 1, 'a', [], () => {}]) {
      expect(optionProblems('retry', options, rules)).toEqual(['retry must be an object'])
      expect(optionProblems('', options, rules)[0]).toMatch(/^\S.*must be an object$/)
    }
  })
})

describe('rules', () => {
  const cases: Readonly<Record<string, [OptionRule, readonly unknown[], readonly unknown[]]>> = {
    wholeNumber: [wholeNumber(1, 5), [1, 5], [0, 6, 1.5, '1', 1n, Number.NaN, Infinity, -0, null, true]],
    'wholeNumber without an end': [wholeNumber(0), [0, Number.MAX_SAFE_INTEGER], [2 ** 53, Infinity, -1]],
    oneOf: [oneOf('a', 'b'), ['a', 'b'], ['c', 'A', '', null, ['a']]],
    text: [text, ['a', ' '], ['', null, 1, new String('a')]],
    boolean: [boolean, [true, false], [0, 'true', null]],
    callable: [callable, [() => {}, class {}], [{}, null, 'f']],
    object: [object, [{}, [], () => {}], [null, 1, 'a']],
    listOf: [listOf(wholeNumber(0)), [[], [0, 1]], [{}, 'a', null, [0, -1], ['0']]],
    'listOf with a least length': [listOf(text, 1), [['a']], [[], ['']]],
    anything: [anything, [null, 1, {}], []],
  }
  for (const [name, [rule, good, bad]] of Object.entries(cases)) {
    it(name, () => {
      expect(good.map((value) => rule(value, 'x'))).toEqual(good.map(() => undefined))
      expect(bad.filter((value) => rule(value, 'x') === undefined)).toEqual([])
    })
  }

  it('name the element of a list', () => {
    expect(listOf(wholeNumber(0))([0, -1], 'delaysMs')).toMatch(/^delaysMs\[1\] /)
  })

  it('look into holes of a list', () => {
    expect(listOf(wholeNumber(0))([0, , 1], 'delaysMs')).toMatch(/^delaysMs\[1\] /) // oxlint-disable-line no-sparse-arrays
  })

  it('show at most a part of a value', () => {
    expect(oneOf('a')('x'.repeat(10_000), 'mode')!.length).toBeLessThan(150)
    expect(wholeNumber(1)({ password: 'hunter2' }, 'count')).not.toContain('hunter2')
  })
})

describe('refuseProblems', () => {
  it('throws one ConfigurationError with all problems, in message and details', () => {
    const refuse = (): void => refuseProblems('The thing', ['a is bad', 'b is worse'])
    expect(problemsOf(refuse)).toEqual(['a is bad', 'b is worse'])
    expect(refuse).toThrow(/The thing.*\n- a is bad\n- b is worse/)
    expect(() => refuseProblems('The thing', [])).not.toThrow()
  })
})

describe('withDefaults', () => {
  const defaults = { a: 1, b: false, c: 'x' }

  it('takes what was given over the defaults, also what is falsy', () => {
    expect(withDefaults(defaults, { a: 0, b: true, c: '' })).toEqual({ a: 0, b: true, c: '' })
    expect(withDefaults(defaults, {})).toEqual(defaults)
    expect(withDefaults(defaults)).toEqual(defaults)
  })

  it('takes undefined for not given, and null for a value', () => {
    expect(withDefaults(defaults, { a: undefined, c: null } as never)).toEqual({ a: 1, b: false, c: null })
  })

  it('takes nothing over that has no default, and changes no argument', () => {
    const given = Object.freeze({ a: 2, more: 3 })
    expect(withDefaults(Object.freeze(defaults), given)).toEqual({ a: 2, b: false, c: 'x' })
  })
})
