import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of the repository. */
export const root: string = fileURLToPath(new URL('../..', import.meta.url))

/** A fenced block of code. */
export interface CodeBlock {
  readonly language: string
  /** `file=` in its first line: the name that other blocks of the page import it by. */
  readonly file: string | undefined
  /** Marked with `run`: it runs as it stands. */
  readonly runs: boolean
  readonly code: string
  /** Of the line after its fence, from 1. */
  readonly line: number
  /** The next block, if it is marked `text output`: what running it prints. */
  readonly output: string | undefined
}

/** The pages that people read, as paths from the root. */
export function pages(): readonly string[] {
  const inDocs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).map((name) =>
    join('docs', name),
  )
  const atRoot = readdirSync(root)
  const readmes = readdirSync(join(root, 'packages')).map((name) => join('packages', name, 'README.md'))
  const all = [...atRoot, ...inDocs, ...readmes, 'schemas/README.md', 'test/stack/README.md', 'observability/README.md']
  const found = all.filter((name) => name.endsWith('.md') && existsSync(join(root, name)))
  return found.toSorted((a, b) => (a < b ? -1 : 1))
}

export function readPage(page: string): string {
  return readFileSync(join(root, page), 'utf8')
}

/** Every fenced block of a page. */
export function blocksOf(text: string): readonly CodeBlock[] {
  const fences = [...text.matchAll(/^```([^\n`]*)\n(.*?)^```$/gms)]
  return fences.flatMap((fence, index) => {
    const [, info = '', code = ''] = fence
    const [language = '', ...words] = info.trim().split(/\s+/)
    if (words.includes('output')) return []
    const next = fences[index + 1]
    return {
      language,
      file: words.find((word) => word.startsWith('file='))?.slice('file='.length),
      runs: words.includes('run'),
      code,
      line: text.slice(0, fence.index).split('\n').length + 1,
      output: next?.[1]?.trim() === 'text output' ? next[2] : undefined,
    }
  })
}

/** The text without its fenced blocks. */
export function proseOf(text: string): string {
  return text.replaceAll(/^```[^\n]*\n.*?^```$/gms, '')
}

/** The rows of every table, each cell without the spaces around it. */
export function rowsOf(text: string): readonly (readonly string[])[] {
  return proseOf(text)
    .split('\n')
    .filter((line) => /^\|.*\|$/.test(line.trim()) && !/^\|[\s|:-]+\|$/.test(line.trim()))
    .map((line) =>
      line
        .trim()
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim().replaceAll('\\|', '|')),
    )
}

/** The text below each heading, by the heading. */
export function sectionsOf(text: string): ReadonlyMap<string, string> {
  const parts = proseOf(text)
    .split(/^#{1,6} +/m)
    .slice(1)
  return new Map(parts.map((part) => [part.slice(0, part.indexOf('\n')).trim(), part.slice(part.indexOf('\n') + 1)]))
}

/** The anchors of a page's headings, as GitHub makes them. */
export function anchorsOf(text: string): ReadonlySet<string> {
  const titles = [...proseOf(text).matchAll(/^#{1,6} +(.+)$/gm)].map(([, title = '']) => title)
  const slug = (title: string): string =>
    title
      .toLowerCase()
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-')
  return new Set(titles.map(slug))
}

/** A link from one page to another place of the repository. */
export interface RelativeLink {
  readonly text: string
  /** Path from the root. */
  readonly target: string
  readonly anchor: string | undefined
  readonly exists: boolean
}

export function relativeLinksOf(page: string): readonly RelativeLink[] {
  const links = [...proseOf(readPage(page)).matchAll(/\[[^\]]*\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
  return links
    .filter((link) => !/^[a-z]+:/.test(link))
    .map((link) => {
      const [path = '', anchor] = link.split('#')
      const absolute = path === '' ? join(root, page) : resolve(root, dirname(page), path)
      return { text: link, target: relative(root, absolute), anchor, exists: existsSync(absolute) }
    })
}
