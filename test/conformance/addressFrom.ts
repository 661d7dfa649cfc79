/** The broker's address from the environment; throws where there is none, since nothing is skipped silently. */
export function addressFrom(variable: string): string {
  const address = process.env[variable]
  if (address !== undefined && address !== '') return address
  throw new Error(`${variable} is not set; \`npm test\` sets it, or: eval "$(npm run -s stack -- env)"`)
}
