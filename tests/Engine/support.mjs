// What the suites share: a client of the engine's protocol, the preparation in this process, and eyes for pixels.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import { prepare as prepareHere } from '../../src/Services/Render/prepare/prepare.mjs'

const root = fileURLToPath(new URL('../../', import.meta.url))
export const ENGINE = join(root, 'src/Services/NodeAgent/skottie/engine.mjs')
export const PREPARE = join(root, 'src/Services/Render/prepare/prepare.mjs')
const REAL = join(root, '../shared/lottie')
const SAMPLES = join(root, 'samples')

const scratch = mkdtempSync(join(tmpdir(), 'flatrender-engine-'))
after(() => rmSync(scratch, { recursive: true, force: true }))
let files = 0
export const scratchFile = (content = '') => {
  const path = join(scratch, `${files++}.json`)
  writeFileSync(path, content)
  return path
}

// A suite that cannot see the real files has shown nothing: it fails, and says why.
function inReal(name) {
  assert.ok(existsSync(REAL), `The real Lottie files are missing: ${REAL} must exist beside the repository.`)
  return join(REAL, name)
}

/** The real Lottie files' names, and one's text. */
export const realFiles = () => readdirSync(inReal('')).filter(name => name.endsWith('.json')).sort()
export const realFile = name => readFileSync(inReal(name), 'utf8')
export const bundleOf = lottie => ({ lottie, fields: null, assets: {}, fonts: {} })

export function sample(name) {
  const file = path => join(SAMPLES, name, path)
  const uri = (type, path) => `data:${type};base64,${readFileSync(file(path), 'base64')}`
  const fields = JSON.parse(readFileSync(file('template.fields.json')))
  return {
    lottie: JSON.parse(readFileSync(file('template.json'))),
    fields,
    assets: existsSync(file('images')) ? Object.fromEntries(readdirSync(file('images')).map(i => [`images/${i}`, uri('image/png', `images/${i}`)])) : {},
    fonts: Object.fromEntries(Object.entries(fields.fonts).map(([font, path]) => [font, uri('font/ttf', path)])),
  }
}

/** Prepares a bundle (an object, or the text of its file) and returns the answer, with the path and content of what was written. */
export function prepare(bundle, request = {}) {
  const out = scratchFile()
  const answer = prepareHere({ bundle: scratchFile(typeof bundle === 'string' ? bundle : JSON.stringify(bundle)), inputs: {}, width: null, height: null, fps: null, background: '#ffffff', out, ...request })
  return { ...answer, path: out, written: answer.ok ? JSON.parse(readFileSync(out)) : null }
}

export const codes = problems => problems.map(p => `${p.code}${p.field === null ? '' : ` ${p.field}`}`).sort()

/** A text composition of 1000x400: one layer at (x, y) for each document. */
export function textFilm(...documents) {
  const layers = documents.map(({ x = 20, y = 200, name = 'Text', animators = [], ...document }, i) => ({
    ty: 5, nm: name, ind: i + 1, ip: 0, op: 30, st: 0, sr: 1, ks: { p: { a: 0, k: [x, y] } },
    t: { d: { k: [{ t: 0, s: { s: 100, f: 'Noto Sans', j: 0, tr: 0, lh: 120, ls: 0, fc: [0, 0, 0], ...document } }] }, p: {}, m: { g: 1, a: { a: 0, k: [0, 0] } }, a: animators },
  }))
  const style = name => ({ fName: name, fFamily: name, fStyle: 'Regular', ascent: 75 })
  return bundleOf({ v: '5.9.0', fr: 30, ip: 0, op: 30, w: 1000, h: 400, layers, fonts: { list: [style('Noto Sans'), style('Vazirmatn')] } })
}

/** The engine as a child process. */
export class Engine {
  #child
  #parts = []
  #size = 0
  #wake = null
  ended

  /** @param inherited a file that is the child's descriptor 3. */
  constructor(inherited = 'ignore') {
    this.#child = spawn(process.execPath, [ENGINE], { stdio: ['pipe', 'pipe', 'inherit', inherited] })
    this.ended = new Promise(resolve => this.#child.on('exit', code => resolve(code)))
    this.#child.stdout.on('data', part => { this.#parts.push(part); this.#size += part.length; this.#wake?.() })
  }

  /** The number by which the engine knows its input. */
  get input() { return statSync(`/proc/${this.pid}/fd/0`).ino }
  get pid() { return this.#child.pid }
  say(line) { this.#child.stdin.write(typeof line === 'string' ? line : JSON.stringify(line) + '\n') }
  close() { this.#child.stdin.end(); return this.ended }

  /** The next message: its header, and its pixels if it has any. */
  async hear() {
    const length = (await this.#take(4)).readUInt32LE()
    const header = JSON.parse(await this.#take(length))
    return header.bytes && header.slot === undefined ? { ...header, pixels: await this.#take(header.bytes) } : header
  }

  async ask(request) { this.say(request); return this.hear() }

  async load(path, width, height, background = '#ffffff', fit = undefined) {
    const answer = await this.ask({ id: 1, op: 'load', template: path, width, height, background, fit })
    assert.deepEqual(answer.error, undefined)
    this.width = width
    return answer
  }

  async frames(...at) {
    this.say({ id: 2, op: 'render', frames: at.map((a, index) => ({ index, at: a })) })
    const frames = []
    for (let message = await this.hear(); !message.done; message = await this.hear()) frames.push(new Picture(message.pixels, this.width))
    return frames
  }

  async #take(n) {
    while (this.#size < n) await new Promise(resolve => { this.#wake = resolve })
    const all = this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts)
    this.#parts = [all.subarray(n)]
    this.#size = all.length - n
    return all.subarray(0, n)
  }
}

/** A frame. Ink is what is darker than mid-grey. */
export class Picture {
  constructor(pixels, width) { Object.assign(this, { pixels, width, height: pixels.length / 4 / width }) }

  at(x, y) { return [...this.pixels.subarray((y * this.width + x) * 4, (y * this.width + x) * 4 + 4)] }
  #dark(x, y) { return this.pixels[(y * this.width + x) * 4 + 1] < 128 }

  ink() {
    let count = 0
    for (let i = 1; i < this.pixels.length; i += 4) if (this.pixels[i] < 128) count++
    return count
  }

  columns() { return spans(this.width, x => any(this.height, y => this.#dark(x, y))) }
  rows() { return spans(this.height, y => any(this.width, x => this.#dark(x, y))) }
}

const any = (n, test) => { for (let i = 0; i < n; i++) if (test(i)) return true; return false }

function spans(n, test) {
  const found = []
  for (let i = 0, from = -1; i <= n; i++) {
    const set = i < n && test(i)
    if (set && from < 0) from = i
    if (!set && from >= 0) { found.push([from, i - 1]); from = -1 }
  }
  return found
}
