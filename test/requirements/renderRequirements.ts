import type { Requirement } from './requirement.js'

const introduction = `# What is proven, and by which test

What an adapter for RabbitMQ or Kafka, an outbox or an inbox must not get wrong, what ours do instead, and the tests that
show it on real servers or, where that is enough, without any. A test of the repository compares this page with the table that it is made
of, and the table with the tests.

Names in brackets are the files of the tests. What is marked as open is not met, or not shown, yet.
`

/** The page of the documentation, as Markdown. */
export function renderRequirements(groups: Readonly<Record<string, readonly Requirement[]>>): string {
  const sections = Object.entries(groups).map(([heading, requirements]) =>
    [`## ${heading}`, ...requirements.map(renderOne)].join('\n\n'),
  )
  return `${[introduction.trimEnd(), ...sections].join('\n\n')}\n`
}

function renderOne({ id, failure, musts }: Requirement): string {
  const lines = musts.flatMap(({ must, tests, open }) => [
    `- ${must}`,
    ...(open === undefined ? [] : [`  - **Open:** ${open}`]),
    ...tests.map(({ file, name }) => `  - ${escaped(name)} (\`${file.slice(file.lastIndexOf('/') + 1)}\`)`),
  ])
  return [`### ${id}`, escaped(failure), lines.join('\n')].join('\n\n')
}

/** Titles are plain text. */
function escaped(text: string): string {
  return text.replaceAll(/[*_<$]/g, String.raw`\$&`)
}
