import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder } from './folders.js'
import { withLock } from './lock.js'
import type { Progress } from './progress.js'
import { runOk } from './run.js'

/** Whether we may install Debian packages here: Debian itself (other apt systems lack its suites), and root. */
export const isDebianRoot = (): boolean =>
  process.platform === 'linux' && existsSync('/etc/debian_version') && process.getuid?.() === 0 && releaseName() !== ''

/** The code name of the running release; empty where it has none. */
export const releaseName = (): string => {
  try {
    return /^VERSION_CODENAME=(\w+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? ''
  } catch {
    return ''
  }
}

interface AptSource {
  readonly uri: string
  readonly suites: readonly string[]
  readonly components: readonly string[]
}

/** `deb [options] URI SUITE COMPONENT…`, one a line. */
const readOneLineSources = (text: string): AptSource[] =>
  [...text.matchAll(/^\s*deb\s+(?:\[[^\]]*\]\s*)?(\S+)\s+(\S+)(.*)$/gm)].map(([, uri = '', suite = '', rest = '']) => ({
    uri,
    suites: [suite],
    components: (rest.split('#')[0] as string).trim().split(/\s+/),
  }))

/** The deb822 form: stanzas of `Field: value`, parted by empty lines. */
const readStanzaSources = (text: string): AptSource[] =>
  text.split(/\n\s*\n/).flatMap((stanza) => {
    const lines = stanza.split('\n').filter((line) => !line.startsWith('#'))
    const words = (field: string): string[] =>
      lines
        .filter((line) => line.toLowerCase().startsWith(`${field}:`))
        .flatMap((line) => line.slice(field.length + 1).split(/\s+/))
        .filter((word) => word !== '')
    if (!words('types').includes('deb') || words('enabled').includes('no')) return []
    return words('uris').map((uri) => ({ uri, suites: words('suites'), components: words('components') }))
  })

/**
 * The Debian mirror that this machine already uses: the first http(s) source that carries `main` of the running release
 * itself. Sources of other vendors and of security updates have other suites.
 */
export const findMirror = (files: readonly { name: string; text: string }[], release: string): string | undefined =>
  files
    .flatMap(({ name, text }) => (name.endsWith('.sources') ? readStanzaSources(text) : readOneLineSources(text)))
    .find(
      ({ uri, suites, components }) =>
        /^https?:\/\//.test(uri) && suites.includes(release) && components.includes('main'),
    )?.uri

/** The mirror of this machine; throws with what to set when its sources do not name one. */
export const debianMirror = (): string => {
  const folder = '/etc/apt/sources.list.d'
  const names = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []
  const files = ['/etc/apt/sources.list', ...names]
    .filter((name) => existsSync(name) && /\.(list|sources)$/.test(name))
    .map((name) => ({ name, text: readFileSync(name, 'utf8') }))
  const mirror = findMirror(files, releaseName())
  if (mirror === undefined) throw new Error('the apt sources of this machine name no http(s) mirror of its own release')
  return mirror
}

const lockWait = ['-o', 'DPkg::Lock::Timeout=120']

/** Fetches the lists of packages; needs root. */
export const aptUpdate = async (options: { holdFd: number }): Promise<void> =>
  void (await runOk('apt-get', ['update', '-q', ...lockWait], options))

/** Installs Debian packages; one process at a time, since apt fails rather than waits. */
export const aptInstall = (packages: readonly string[], progress: Progress): Promise<void> =>
  withLock(join(cacheFolder(), 'apt.lock'), async ({ fd }) => {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    progress(`apt-get install ${packages.join(' ')}`)
    await aptUpdate({ holdFd: fd })
    const install = ['install', '-q', '-y', '--no-install-recommends', ...lockWait, ...packages]
    await runOk('apt-get', install, { env, holdFd: fd })
  })
