/** What stands in the place of what must not be read. */
export const redacted = '***'

/** Longer texts are cut: no pattern below may cost more than a moment on what a broker or a library says. */
const maxInputLength = 16_000

/* Repetitions are bounded, and none of them can match what the one beside it matches: no text makes them slow. */
const privateKey = /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/g
/** Up to the last `@` of the word: people forget to encode those in their passwords. */
const userInfo = /([a-z][a-z0-9+.-]{0,30}:\/\/)(?:(?!:\/\/)[^\s"<>`])*@/gi
/** All that follows: schemes and pairs differ. */
const headers = /((?:authorization|cookie)(?:\\?["'])?\s{0,3}[:=]\s{0,3}(?:\\?["'])?)[^\r\n"'\\]+/gi
const named =
  /([\w.-]{0,40}(?:password|passwd|passphrase|pwd|(?<![a-z])pass|secret|token|(?:api|access|account|private)[_-]?key)(?:\\?["'])?\s{0,3}(?:=>|[:=])\s{0,3})(\\"[^"\\]*|"(?:[^"\\]|\\[\s\S])*"?|'[^']*'?|[^\s,;&"'}\])]+)/gi
const bearer = /\b(bearer\s{1,3})[\w.~+/=-]{6,}/gi
const webToken = /\beyJ[\w-]{6,}\.[\w-]{6,}(?:\.[\w-]*)?/g

/**
 * The same text without credentials: those in URLs, those that are named (`password=…`, `Authorization: …`), bearer and web
 * tokens, private keys. What a text says in plain words cannot be told from the rest. Never throws.
 */
export function redactText(text: string): string {
  return shorten(text)
    .replace(privateKey, redacted)
    .replace(userInfo, `$1${redacted}@`)
    .replace(headers, `$1${redacted}`)
    .replace(named, `$1${redacted}`)
    .replace(bearer, `$1${redacted}`)
    .replace(webToken, redacted)
}

/** Whether what has this name is a credential, whatever it looks like. */
export function isSecretName(name: string): boolean {
  return /passw|passphrase|^pass$|^pwd$|secret|token|api[_-]?key|private[_-]?key|authorization|cookie|credential/i.test(
    name,
  )
}

/** A word that was cut could be the half of a URL that shows the password, and not the `@` by which it is known. */
function shorten(text: string): string {
  if (text.length <= maxInputLength) return text
  let end = maxInputLength
  while (end > 0 && !/\s/.test(text.charAt(end - 1))) end -= 1
  return `${text.slice(0, end)}…`
}
