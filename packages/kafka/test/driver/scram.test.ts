import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { scram } from '../../src/driver/scram.js'
import type { Say } from '../../src/driver/scram.js'

const alice = { username: 'al=ice,', password: 'pencil' }

interface Server {
  readonly say: Say
  readonly heard: string[]
  /** Whether the proof was that of somebody who knows the password. */
  isProven: boolean
}

/** The broker's side of SCRAM-SHA-256, written after RFC 5802 and not after ours. */
function server({ password = 'pencil', iterations = 4_096, nonce = (theirs: string) => `${theirs}more` } = {}): Server {
  const salt = randomBytes(16)
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256')
  const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  const storedKey = createHash('sha256').update(hmac(salted, 'Client Key')).digest()
  let challenge = ''
  const result: Server = {
    heard: [],
    isProven: false,
    say(message) {
      result.heard.push(message)
      if (message.startsWith('n,,')) {
        challenge = `r=${nonce(message.split('r=')[1]!)},s=${salt.toString('base64')},i=${iterations}`
        return Promise.resolve(challenge)
      }
      const [withoutProof = '', proof = ''] = message.split(',p=')
      const whole = `${result.heard[0]!.slice(3)},${challenge},${withoutProof}`
      const signature = hmac(storedKey, whole)
      const clientKey = Buffer.from(proof, 'base64').map((byte, at) => byte ^ signature[at]!)
      result.isProven = createHash('sha256').update(clientKey).digest().equals(storedKey)
      return Promise.resolve(`v=${hmac(hmac(salted, 'Server Key'), whole).toString('base64')}`)
    },
  }
  return result
}

describe('a login with SCRAM', () => {
  it('proves that we know the password, without saying it', async () => {
    const broker = server()
    await scram('sha256', alice, broker.say)
    expect(broker.isProven).toBe(true)
    expect(broker.heard[0]).toMatch(/^n,,n=al=3Dice=2C,r=.{20,}/)
    expect(broker.heard.join()).not.toContain('pencil')
  })

  it.each([
    ['does not know the password', server({ password: 'pen' }), 2],
    ['asks for so few rounds that the proof can be broken', server({ iterations: 1_000 }), 1],
    ['answers somebody else', server({ nonce: () => 'another' }), 1],
  ])('ends with an error at a server that %s', async (_what, broker, messages) => {
    await expect(scram('sha256', alice, broker.say)).rejects.toMatchObject({ kind: 'authentication' })
    expect(broker.heard).toHaveLength(messages)
  })
})
