/** The headers of a message that has none: adapters hand over this very object, and nobody searches it for ours. */
export const noHeaders: Readonly<Record<string, string>> = Object.freeze(Object.create(null) as Record<string, string>)
