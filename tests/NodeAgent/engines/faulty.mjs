// A stand-in engine that speaks the engine protocol and goes wrong as its template says:
// {"faults":{"5":"crash"|"hang"|"size"|"black"|"flip"|"repeat"|"hog"|"hog-in-child"|"burn"|"call-home"|"orphan"|"slow"}, "once":"/path"}; with "once", only while that file does not exist.
// Its pictures need no library: a gradient and a square that moves with the frame, a noisy one with {"noise":true}. They go through the pipe; with {"room":true} through the memory it is
// offered, where it can also try to "resize" that memory or name a "slot" that is none.
import { spawn } from 'node:child_process'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { existsSync, fstatSync, ftruncateSync, readFileSync, writeFileSync, writeSync } from 'node:fs'

let scene = null
const hoard = []

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

for (let line; (line = await lines.next()).value !== undefined;) {
  const request = JSON.parse(line.value)
  if (request.op === 'hello') send({ id: request.id, engine: 'faulty', version: '1', digest: 'fa'.repeat(32) })
  else if (request.op === 'load') load(request)
  else await render(request)
}

function load({ id, template, width, height }) {
  const plan = JSON.parse(readFileSync(template, 'utf8'))
  if (plan.invalid) return send({ id, error: { code: 'TEMPLATE_INVALID', message: plan.invalid } })
  scene = { plan, width, height, base: gradient(width, height) }
  send({ id, ok: true })
}

async function render({ id, frames, room }) {
  let last = null
  let given = 0
  for (const { index, at } of frames) {
    let pixels = picture(at)
    const fault = faultAt(index)
    if (fault === 'crash') { writeSync(2, `the engine fell over at frame ${index}\n`); process.abort() }
    if (fault === 'hang') await forever()
    if (fault === 'size') pixels = pixels.subarray(0, pixels.length - 4)
    if (fault === 'black') for (let i = 0; i < pixels.length; i += 4) pixels.fill(0, i, i + 3)
    if (fault === 'flip') pixels[pixels.length >> 1] ^= 0x10
    if (fault === 'repeat' && last) pixels = last
    if (fault === 'hog') for (;;) { hoard.push(Buffer.alloc(16 << 20, 1)); await new Promise(setImmediate) }
    if (fault === 'hog-in-child') { spawn('node', ['-e', 'const all = []; setInterval(() => all.push(Buffer.alloc(16 << 20, 1)), 10)']); await forever() }
    if (fault === 'burn') { for (let i = 0; i < 2; i++) spawn('node', ['-e', 'for (;;);']); for (;;); }
    if (fault === 'call-home' && await reaches(scene.plan.port)) { writeSync(2, 'the engine reached the host\n'); process.abort() }
    // A child of a child whose parent has ended: nobody's child, in a session of its own.
    if (fault === 'orphan') { spawn('setsid', ['--fork', 'sleep', scene.plan.mark]); await forever() }
    if (fault === 'slow') await new Promise(resolve => setTimeout(resolve, 200))
    if (fault === 'resize') for (const size of [0, fstatSync(room.fd).size * 2]) resize(room.fd, size)
    if (scene.plan.room) {
      const slot = given % room.slots
      writeSync(room.fd, pixels, 0, pixels.length, slot * pixels.length)
      send({ id, index, bytes: pixels.length, slot: fault === 'slot' ? room.slots : slot })
      if (++given >= room.slots) await lines.next()
    } else send({ id, index, bytes: pixels.length }, pixels)
    last = pixels
  }
  for (let left = Math.min(given, room?.slots - 1); left > 0; left--) await lines.next()
  send({ id, done: true })
}

function resize(fd, size) {
  try { ftruncateSync(fd, size) } catch (e) { if (e.code === 'EPERM') return }
  writeSync(2, `the engine made its room ${size} bytes large\n`)
  process.abort()
}

function forever() {
  return new Promise(() => setInterval(() => {}, 1000))
}

function reaches(port) {
  return new Promise(resolve => connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false)))
}

function faultAt(index) {
  const fault = scene.plan.faults?.[index] ?? scene.plan.faults?.['*']
  if (!fault || !scene.plan.once) return fault
  if (existsSync(scene.plan.once)) return undefined
  writeFileSync(scene.plan.once, 'done')
  return fault
}

function gradient(width, height) {
  const pixels = Buffer.alloc(width * height * 4)
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++, i += 4) {
      pixels[i] = (x * 200 / width) | 0
      pixels[i + 1] = (y * 200 / height) | 0
      pixels[i + 2] = 90
      pixels[i + 3] = 255
    }
  return pixels
}

function picture(at) {
  const { width, height, base, plan } = scene
  const pixels = Buffer.from(base)
  const size = Math.max(1, Math.min(width, height) >> 2)
  const left = Math.round(at * 7) % Math.max(1, width - size)
  const top = Math.round(at * 3) % Math.max(1, height - size)
  for (let y = top; y < top + size; y++) pixels.fill(Buffer.from([250, (at * 37) & 255, 20, 255]), (y * width + left) * 4, (y * width + left + size) * 4)
  if (plan.noise) {
    let seed = (at * 2654435761) >>> 0 || 1
    for (let i = 0; i < pixels.length; i += 4)
      for (let c = 0; c < 3; c++) {
        seed ^= seed << 13; seed ^= seed >>> 17; seed ^= seed << 5
        pixels[i + c] = seed & 255
      }
  }
  return pixels
}

function send(header, payload) {
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(json.length)
  for (const part of payload ? [length, json, payload] : [length, json]) writeAll(part)
}

function writeAll(bytes) {
  for (let at = 0; at < bytes.length;)
    try { at += writeSync(1, bytes, at) } catch (e) { if (e.code !== 'EAGAIN') process.exit(0) }
}
