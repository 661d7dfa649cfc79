import { spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { instanceVariable, type ProcessOwner } from './processes.js'
import { run } from './run.js'

/**
 * Ends every process of an instance and removes its folder. It is a shell script because it has to work when the Node
 * process that owned the instance was killed, and costs 1 MB as a watchdog where another Node process would cost 40.
 * Mounts need no care: they live in the servers' own mount namespaces and vanish with the last of their processes.
 * Two empty looks in a row: a process that was just forking is seen by the second.
 */
const reapScript = `
marked() {
  grep -lzFx "${instanceVariable}=$id" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3
  for name in $(grep -lx postgres /proc/[0-9]*/comm 2>/dev/null); do
    case "$(readlink "\${name%/comm}/cwd" 2>/dev/null)" in "$folder"/*) echo "$name" | cut -d/ -f3 ;; esac
  done
}
id=$1 folder=$2 empty=0 rounds=0
while [ $empty -lt 2 ] && [ $rounds -lt 200 ]; do
  rounds=$((rounds + 1))
  pids=$(marked)
  if [ -n "$pids" ]; then empty=0; kill -9 $pids 2>/dev/null; else empty=$((empty + 1)); fi
  sleep 0.05
done
# A killed PostgreSQL leaves a System V segment behind; line 7 of its pid file names it.
for file in "$folder"/node*/data/postmaster.pid; do
  [ -f "$file" ] && ipcrm -m "$(sed -n 7p "$file" | awk '{ print $2 }')" 2>/dev/null
done
rm -rf "$folder"
`

/** Waits for the owner's end of the pipe to close, however it ended; the word \`keep\` calls it off. */
const watchScript = `trap '' INT TERM HUP; read -r word; [ "$word" = keep ] && exit 0\n${reapScript}`

/** Stops an instance for good, at once: its data goes with it, so there is nothing to shut down gently for. */
export const reap = async ({ id, folder }: ProcessOwner): Promise<void> => {
  await run('sh', ['-c', reapScript, 'sh', id, folder], { cwd: '/' })
}

export interface Watchdog {
  /** Reaps the instance now and returns when it is gone. */
  release(): Promise<void>
  /** Lets the instance live on without an owner. */
  keep(): Promise<void>
}

/** From now on the instance ends when this process ends: by itself, by an exception, or by kill -9. */
export const watch = ({ id, folder }: ProcessOwner): Watchdog => {
  const child = spawn('sh', ['-c', watchScript, 'sh', id, folder], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const ended = new Promise<void>((resolve) => child.on('exit', () => resolve()))
  const pipe = child.stdin as unknown as Socket
  pipe.on('error', () => {})
  child.unref()
  pipe.unref()
  const end = (word: string): Promise<void> => {
    child.ref()
    pipe.end(word)
    return ended
  }
  return { release: () => end(''), keep: () => end('keep\n') }
}
