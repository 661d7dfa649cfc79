import { describe, expect, it } from 'vitest'
import { findMirror } from '../src/debian.js'

const sources = (text: string) => [{ name: '/etc/apt/sources.list.d/debian.sources', text }]
const list = (text: string) => [{ name: '/etc/apt/sources.list', text }]

describe('the Debian mirror of this machine', () => {
  it('is found in the stanza form', () => {
    const text = `# comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`
    expect(findMirror(sources(text), 'bookworm')).toBe('http://mirror.example/debian')
  })

  it('is found in the one-line form, behind options', () => {
    const text = 'deb [arch=amd64 signed-by=/x.gpg] https://mirror.example/debian bookworm main # ours\n'
    expect(findMirror(list(text), 'bookworm')).toBe('https://mirror.example/debian')
  })

  it('is not the source of security updates, of another vendor, of source code, or one that is off', () => {
    const stanzas = `Types: deb
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
URIs: http://vendor.example/node
Suites: nodistro
Components: main

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://source.example/debian
Suites: bookworm
Components: main
`
    const lines = `# deb http://comment.example/debian bookworm main
deb-src http://source.example/debian bookworm main
deb cdrom:[disk]/ bookworm main
deb http://contrib.example/debian bookworm contrib
`
    expect(findMirror([...sources(stanzas), ...list(lines)], 'bookworm')).toBeUndefined()
  })

  it('is the first of several', () => {
    const text = 'deb http://one.example/debian bookworm main\ndeb http://two.example/debian bookworm main\n'
    expect(findMirror(list(text), 'bookworm')).toBe('http://one.example/debian')
  })
})
