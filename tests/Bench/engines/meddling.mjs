// The real engine with somebody in between: frames that a plan names go wrong on their way, each once.
// FLATRENDER_FAULTS is a folder: FILM.json lists [{id, frame, turn, kind, at}], FILM being the composition's name. A fault strikes when its frame is
// drawn for the turn-th time (0: by the renderer, 1: by the checker), and leaves ID.done behind.
import { spawn } from 'node:child_process'
import { existsSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'

const folder = process.env.FLATRENDER_FAULTS
const real = spawn('node', [process.env.FLATRENDER_REAL_ENGINE], { stdio: ['pipe', 'pipe', 'inherit'] })
real.on('exit', code => process.exit(code ?? 1))
real.stdin.on('error', () => {})
let film = '', plan = [], last = null
const hoard = []

createInterface({ input: process.stdin }).on('line', line => {
  const request = JSON.parse(line)
  if (request.op === 'load') {
    try { film = JSON.parse(readFileSync(request.template, 'utf8')).nm } catch { film = '' }
    const path = `${folder}/${film}.json`
    plan = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : []
  }
  if (request.op === 'render') last = null
  real.stdin.write(line + '\n')
}).on('close', () => real.stdin.end())

const read = reader(real.stdout)
for (;;) {
  const length = await read(4)
  if (length === null) break
  const header = JSON.parse(await read(length.readUInt32LE(0)))
  let pixels = header.bytes ? await read(header.bytes) : null
  const right = pixels
  const fault = pixels && faultAt(header.index)
  if (fault) {
    pixels = Buffer.from(pixels)
    if (fault.kind === 'crash') { writeSync(2, `the engine fell over at frame ${header.index}\n`); real.kill('SIGKILL'); process.abort() }
    if (fault.kind === 'hang') await new Promise(() => setInterval(() => {}, 1000))
    if (fault.kind === 'hog') for (;;) { hoard.push(Buffer.alloc(32 << 20, 1)); await new Promise(setImmediate) }
    if (fault.kind === 'slow') await new Promise(resolve => setTimeout(resolve, 400))
    if (fault.kind === 'size') pixels = pixels.subarray(0, pixels.length - 4)
    if (fault.kind === 'black') for (let i = 0; i < pixels.length; i += 4) pixels.fill(0, i, i + 3)
    if (fault.kind === 'flip') pixels[Math.floor(fault.at * pixels.length / 4) * 4] ^= 1 << (fault.id % 8)
    if (fault.kind === 'repeat' && last) last.copy(pixels)
    writeFileSync(`${folder}/${fault.id}.done`, pixels.equals(right) ? 'same' : 'other')
  }
  if (right) last = right
  send({ ...header, ...(pixels ? { bytes: pixels.length } : {}) }, pixels)
}

/** The fault that strikes now: each drawing of a planned frame takes the next turn, whichever process does it. */
function faultAt(frame) {
  const faults = plan.filter(f => f.frame === frame)
  if (faults.length === 0) return null
  for (let turn = 0; turn < 50; turn++)
    try {
      openSync(`${folder}/${film}-${frame}-${turn}`, 'wx')
      const fault = faults.find(f => f.turn === turn)
      if (fault) writeFileSync(`${folder}/${fault.id}.done`, 'begun')
      return fault ?? null
    } catch { /* That turn was another drawing's. */ }
  return null
}

function reader(stream) {
  const chunks = stream[Symbol.asyncIterator]()
  let rest = Buffer.alloc(0)
  return async size => {
    const parts = [rest]
    let have = rest.length
    while (have < size) {
      const { value, done } = await chunks.next()
      if (done) return null
      parts.push(value)
      have += value.length
    }
    const all = Buffer.concat(parts)
    rest = all.subarray(size)
    return all.subarray(0, size)
  }
}

function send(header, payload) {
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(json.length)
  for (const part of payload ? [length, json, payload] : [length, json])
    for (let at = 0; at < part.length;)
      try { at += writeSync(1, part, at) } catch (e) { if (e.code !== 'EAGAIN') process.exit(0) }
}
