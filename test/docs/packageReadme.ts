import { rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { vi } from 'vitest'
import { blocksOf } from './markdown.js'

/**
 * What the first program of a README in this language prints, run as it stands; beside `test`, the file of the caller, so that its imports
 * are found as those of the test are: on the sources.
 */
export async function outputOfExample(
  readme: string,
  language: 'js' | 'ts',
  test: string,
): Promise<readonly unknown[]> {
  const example = blocksOf(readme).find((block) => block.language === language)
  if (example === undefined) throw new Error(`The README has no program in ${language}`)
  const file = fileURLToPath(new URL(`./readme-example-${process.pid}.${language}`, test))
  const printed: unknown[] = []
  const log = vi.spyOn(console, 'log').mockImplementation((line: unknown) => void printed.push(line))
  writeFileSync(file, example.code)
  try {
    await import(/* @vite-ignore */ file)
  } finally {
    log.mockRestore()
    rmSync(file, { force: true })
  }
  return printed
}

/** The options that the tables of a section name, sorted. */
export function optionsNamedIn(readme: string, heading: string): readonly string[] {
  const section = readme.split(/^## /m).find((text) => text.startsWith(heading)) ?? ''
  return [...section.matchAll(/^\| `(\w+)`/gm)].map(([, option = '']) => option).toSorted(alphabetically)
}

/** The options that a problem with an unknown one lists, sorted. */
export function optionsKnownTo(problems: readonly string[]): readonly string[] | undefined {
  const list = problems.map((problem) => /known are (.*)$/.exec(problem)?.[1]).find((known) => known !== undefined)
  return list?.split(', ').toSorted(alphabetically)
}

const alphabetically = (a: string, b: string): number => (a < b ? -1 : 1)
