import { ShopError } from '../shopError.js'
import { parseLine } from './parseLine.js'
import { openInput, readLines } from './readLines.js'

/**
 * The ids of a users file, as they are read: each line is an object with `userId`, a JSON string, or a bare id. A line
 * that is none of these is an error of whoever made the file: `SHOP_BAD_USERS_FILE` names it.
 */
export async function* readUsers(path: string): AsyncGenerator<string> {
  for await (const lines of readLines(await openInput(path))) {
    for (const { number, bytes } of lines) {
      const userId = bytes === undefined ? undefined : idOn(bytes)
      if (userId === undefined) {
        throw new ShopError(
          'SHOP_BAD_USERS_FILE',
          `${path}, line ${number}: expected {"userId":"…"}, a JSON string, or an id without quotes`,
        )
      }
      yield userId
    }
  }
}

function idOn(bytes: Uint8Array): string | undefined {
  const text = Buffer.from(bytes).toString('utf8').replace(/^\uFEFF/, '').trim() // prettier-ignore
  const isBare = /^[^\s"{}[\]]+$/.test(text)
  if (isBare) return text
  try {
    const value = parseLine(bytes)
    const userId = typeof value === 'string' ? value : (value as { readonly userId?: unknown } | null)?.userId
    return typeof userId === 'string' && userId !== '' ? userId : undefined
  } catch {
    return undefined
  }
}
