import { describe, expect, it } from 'vitest'
import { isSecretName, redactText } from '../../src/logs/redactText.js'

const secret = 'S3CR3T'

describe('a text without credentials', () => {
  it.each([
    `connect to amqp://user:${secret}@broker:5672/%2f failed`,
    `amqps://user:${secret}@a,amqps://user:${secret}@b`,
    `postgres://${secret}:${secret}@db:5432/shop?sslmode=require`,
    `postgresql://app:${secret}/with/slashes@db/shop`,
    `amqp://user:${secret}@with@ats@broker/`,
    `amqp://${secret}@broker`,
    `"https://user:${secret}@host/path"`,
    `(kafka+ssl://user:${secret}@host)`,
    `password=${secret} host=db`,
    `PASSWORD: ${secret}`,
    `{"password":"${secret} with spaces","user":"me"}`,
    `{ password: '${secret} with spaces' }`,
    `sasl.password=${secret},sasl.mechanism=plain`,
    `PGPASSWORD=${secret}`,
    `clientSecret: ${secret}`,
    `client_secret=${secret}&grant_type=client_credentials`,
    `https://host/token?access_token=${secret}&x=1`,
    `api-key: ${secret}`,
    `Authorization: Bearer ${secret}.abc`,
    `Authorization: Basic ${secret}==`,
    `authorization: "${secret}"`,
    `sent Bearer ${secret}abcdef to the broker`,
    `Set-Cookie: sid=${secret}`,
    `Cookie: a=b; sid=${secret}; c=d`,
    `Authorization: Token ${secret}`,
    `authorization: AWS4-HMAC-SHA256 Credential=a/b, Signature=${secret}`,
    `amqp://user:pa'${secret}@host`,
    `{"body":"{\\"password\\":\\"${secret}\\"}"}`,
    `{"password":"a\\"${secret}","user":"me"}`,
    `{ password => ${secret} }`,
    `AccountKey=${secret}==;EndpointSuffix=x`,
    `private_key: ${secret}`,
    `the token eyJhbGciOiJIUzI1NiJ9.${secret}In0.c2lnbmF0dXJl has expired`,
    `-----BEGIN RSA PRIVATE KEY-----\n${secret}\n-----END RSA PRIVATE KEY-----`,
    `-----BEGIN PRIVATE KEY-----\n${secret}`,
  ])('%s', (text) => {
    expect(redactText(text)).not.toContain(secret)
    expect(redactText(text)).toContain('***')
  })

  it('keeps what it is about', () => {
    expect(redactText('connect to amqp://user:pass@broker:5672/shop failed')).toBe(
      'connect to amqp://***@broker:5672/shop failed',
    )
    expect(redactText('amqp://a:b@one/,amqp://c:d@two/')).toBe('amqp://***@one/,amqp://***@two/')
    expect(redactText('login with password=hunter2 for user=shop')).toBe('login with password=*** for user=shop')
  })

  it.each([
    'password authentication failed for user "shop"',
    'ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN',
    'connect ECONNREFUSED 127.0.0.1:5672',
    'see https://example.com/docs#tokens',
    'Mail to ops@example.com',
    'No new credentials for RabbitMQ, asking again: The function "credentials" failed',
    'orders.billing[3]@1042',
  ])('leaves "%s" as it is', (text) => {
    expect(redactText(text)).toBe(text)
  })

  it('shows no half of a URL that it has cut', () => {
    for (let length = 15_950; length < 16_050; length += 1) {
      expect(redactText(`${'x '.repeat(length / 2)}amqp://user:${secret}${secret}@broker`)).not.toContain(secret)
    }
  })

  it('takes a moment for texts that are made to be slow', () => {
    const nasty = [
      'a',
      '://',
      'a://',
      'password',
      'password=',
      '"',
      'pass:"',
      'eyJ',
      'bearer ',
      '-----BEGIN ',
      '@',
      '.-',
    ]
    const startedAt = performance.now()
    for (const part of nasty) redactText(part.repeat(200_000))
    for (const one of nasty) for (const two of nasty) redactText((one + two).repeat(5_000))
    expect(performance.now() - startedAt).toBeLessThan(20_000)
  })
})

it('names of secrets are known, others are not', () => {
  const secrets = [
    'password',
    'userPassword',
    'passphrase',
    'pass',
    'clientSecret',
    'token',
    'apiKey',
    'Authorization',
    'credentials',
  ]
  expect(secrets.filter((name) => !isSecretName(name))).toEqual([])
  expect(['address', 'group', 'passed', 'bypass', 'partition', 'key'].filter(isSecretName)).toEqual([])
})

describe('a long text', () => {
  it.each([
    ['one word before its cut', `${'x'.repeat(15_990)} ${'y'.repeat(50_000)}`],
    ['no space at all', 'x'.repeat(60_000)],
    ['quotes that never end', `password="${'\\'.repeat(30_000)}`],
    ['colons', 'a:'.repeat(30_000)],
    ['names', 'password'.repeat(8_000)],
    ['schemes', 'amqp://'.repeat(8_000)],
    ['spaces', `authorization${' '.repeat(60_000)}`],
  ])('is no work for long: %s', (_, text) => {
    const startedAt = performance.now()
    redactText(text)
    // Generous: what grows with the square of the length takes seconds.
    expect(performance.now() - startedAt).toBeLessThan(1_000)
  })

  it('is cut before a word that could be the half of a secret', () => {
    const text = `${'x '.repeat(7_995)}amqp://user:${secret.repeat(10)}@broker`
    expect(redactText(text)).not.toContain(secret)
  })
})
