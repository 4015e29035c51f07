// The skottie engine: JSON lines in on stdin, framed messages out on stdout.
// A message is a 4-byte little-endian length, that many bytes of JSON header, then header.bytes raw bytes.
import { createHash } from 'node:crypto'
import { fstatSync, readFileSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const require = createRequire(import.meta.url)
// Each frame's pixels are a new piece of memory. The library's allocator gives a free one back to the kernel after 10 ms, less than a frame takes, and
// getting it again, zeroed, cost as much as copying the pixels. It reads this when it is loaded.
process.env.MIMALLOC_PURGE_DELAY ??= '2000'
const { createCanvas, LottieAnimation } = require('@napi-rs/canvas')
const MAX_PIXELS = 8192 * 8192
let scene = null, room = null

class Refusal extends Error {
  constructor(code, message) { super(message); this.code = code }
}

const ops = { hello, load, render }

// One request after the other; only that a frame was taken is heard while one is being answered.
let queue = Promise.resolve()

function hear(line) {
  if (line.trim() === '') return
  let request
  try {
    request = JSON.parse(line)
  } catch (e) {
    queue = queue.then(() => send({ id: null, error: { code: 'BAD_REQUEST', message: `The line is not JSON: ${e.message}` } }))
    return
  }
  if (request?.op === 'taken') room?.taken(request)
  else queue = queue.then(() => answer(request))
}

async function answer(request) {
  const known = request !== null && typeof request === 'object' && Object.hasOwn(ops, String(request.op))
  if (!known)
    return send({ id: null, error: { code: 'UNKNOWN_OP', message: `There is no operation '${String(request?.op).slice(0, 40)}'.` } })
  const id = request.id ?? null
  try {
    await ops[request.op](id, request)
  } catch (e) {
    await send({ id, error: { code: e.code ?? 'ENGINE_FAILED', message: e.message } })
  }
}

function hello(id) {
  const { version } = require('@napi-rs/canvas/package.json')
  const digest = createHash('sha256').update(readFileSync(fileURLToPath(import.meta.url))).update(readFileSync(nativeBinary()))
  return send({ id, engine: 'skottie', version, digest: digest.digest('hex') })
}

// The package loads one native binary; its path is the only .node file in the module cache.
function nativeBinary() {
  const found = Object.keys(require.cache).find(path => path.endsWith('.node'))
  if (!found) throw new Refusal('ENGINE_FAILED', 'The native canvas binary was not found.')
  return found
}

function load(id, { template, width, height, background = '#ffffff', fit }) {
  scene = null
  const whole = n => Number.isInteger(n) && n > 0
  if (!whole(width) || !whole(height) || width * height > MAX_PIXELS)
    throw new Refusal('BAD_REQUEST', `The size ${width}x${height} cannot be rendered.`)
  if (!/^#[0-9a-f]{6}$/i.test(background))
    throw new Refusal('BAD_REQUEST', `The background '${background}' is not #rrggbb.`)
  let text, animation
  try {
    text = readFileSync(template, 'utf8')
    animation = LottieAnimation.loadFromData(text)
  } catch (e) {
    throw new Refusal('TEMPLATE_INVALID', `The template cannot be loaded: ${e.message}`)
  }
  if (!(animation.width > 0 && animation.height > 0))
    throw new Refusal('TEMPLATE_INVALID', `The template's size is ${animation.width}x${animation.height}.`)
  const canvas = createCanvas(width, height)
  scene = { text, animation, used: false, canvas, context: canvas.getContext('2d'), background, box: fit ?? contain(animation, width, height) }
  return send({ id, ok: true, duration: animation.duration, fps: animation.fps })
}

function contain(animation, width, height) {
  const scale = Math.min(width / animation.width, height / animation.height)
  const [w, h] = [animation.width * scale, animation.height * scale]
  return { x: (width - w) / 2, y: (height - h) / 2, width: w, height: h }
}

async function render(id, { frames, room: offered }) {
  if (!scene) throw new Refusal('NOTHING_LOADED', 'Load a template before rendering.')
  if (!Array.isArray(frames) || !frames.every(f => Number.isInteger(f?.index) && Number.isFinite(f?.at)))
    throw new Refusal('BAD_REQUEST', 'Frames must be a list of {index, at}.')
  // In some templates (bm_ronda.json) a frame keeps traces of those drawn before it: each request begins with a fresh animation.
  if (scene.used) scene.animation = LottieAnimation.loadFromData(scene.text)
  scene.used = true
  const { animation, canvas, context, background, box } = scene
  room = Room.in(offered, id, canvas.width * canvas.height * 4)
  for (const [n, { index, at }] of frames.entries()) {
    context.fillStyle = background
    context.fillRect(0, 0, canvas.width, canvas.height)
    animation.seekFrame(at)
    animation.render(context, box)
    const pixels = canvas.data()
    if (room) await send({ id, index, bytes: pixels.length, slot: await room.put(pixels) })
    else await send({ id, index, bytes: pixels.length }, pixels)
    // Skia's copies are freed by the collector, which only gets a turn when the event loop does.
    if (n % 2 === 1) await new Promise(setImmediate)
  }
  await send({ id, done: true })
}

// Memory shared with the reader, for a few frames: a slot is written again when its frame was taken. It saves the pipe's pieces and wake-ups.
class Room {
  #fd; #id; #free; #wake = null

  // Only for a reader that speaks with us itself: its words come through the pipe it names. Whoever stands between us hands on lines and pixels, and knows of no memory.
  static in(offered, id, bytes) {
    try {
      return fstatSync(0).ino === offered.input && offered.slots > 0 && offered.bytes === bytes && fstatSync(offered.fd).size === offered.slots * bytes ? new Room(offered, id) : null
    } catch {
      return null
    }
  }

  constructor({ fd, slots }, id) {
    [this.#fd, this.#id, this.#free] = [fd, id, [...Array(slots).keys()]]
  }

  async put(pixels) {
    while (this.#free.length === 0) await new Promise(resolve => { this.#wake = resolve })
    const slot = this.#free.shift()
    for (let done = 0; done < pixels.length;) done += writeSync(this.#fd, pixels, done, pixels.length - done, slot * pixels.length + done)
    return slot
  }

  taken({ id, slot }) {
    if (id !== this.#id) return
    this.#free.push(slot)
    this.#wake?.()
  }
}

// Waiting for each write is the backpressure: nothing is drawn while the reader is behind.
function send(header, payload) {
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(json.length)
  const head = Buffer.concat([length, json])
  return new Promise((resolve, reject) => {
    const written = e => (e ? reject(e) : resolve())
    if (!payload) return process.stdout.write(head, written)
    process.stdout.write(head)
    process.stdout.write(payload, written)
  })
}

// A reader that has gone away is the normal end of an aborted render.
process.stdout.on('error', e => process.exit(e.code === 'EPIPE' ? 0 : 1))

createInterface({ input: process.stdin, crlfDelay: Infinity }).on('line', hear)
