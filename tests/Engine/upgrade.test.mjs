import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { bundleOf, Engine, prepare, realFile, scratchFile } from './support.mjs'

let engine
before(() => { engine = new Engine() })
after(() => engine.close())

async function frame(path, at) {
  await engine.load(path, 1920, 1080)
  return (await engine.frames(at))[0]
}

const WHITE = [255, 255, 255, 255]

test('bm_ronda.json: the O of a file older than 4.4.18 is closed', async () => {
  const text = realFile('bm_ronda.json')
  const [open, closed] = [await frame(scratchFile(text), 222), await frame(prepare(bundleOf(JSON.parse(text))).path, 222)]
  // The upper right of the O's ring, which an open path cuts off with a straight line.
  assert.deepEqual(closed.at(975, 415), WHITE)
  assert.notDeepEqual(open.at(975, 415), WHITE)
})

test('dalek.json: colours of a file older than 4.1.9 are taken from 0 to 255', async () => {
  const lottie = JSON.parse(realFile('dalek.json'))
  const { written } = prepare(bundleOf(lottie))
  const colours = layers => layers.flatMap(l => (l.shapes ?? []).flatMap(function inside(s) { return s.it ? s.it.flatMap(inside) : s.ty === 'fl' && typeof s.c.k[0] === 'number' ? [s.c.k] : [] }))
  const [before, now] = [colours(lottie.layers), colours(written.layers)]
  assert.ok(before.some(c => c[0] > 1) && before.length === now.length)
  assert.deepEqual(now, before.map(c => c.map((v, i) => (i < 4 ? v / 255 : v))))
})

const path = (c, extra) => ({ ty: 'sh', ...extra, ks: { a: 0, k: { v: [[0, 0], [9, 0], [9, 9]], i: [[0, 0], [0, 0], [0, 0]], o: [[0, 0], [0, 0], [0, 0]], ...(c !== undefined && { c }) } } })
const old = (v, layer) => bundleOf({ v, fr: 30, ip: 0, op: 30, w: 10, h: 10, layers: [{ ip: 0, op: 30, st: 0, ks: {}, nm: 'L', ...layer }] })
const shapes = (...it) => ({ ty: 4, shapes: [{ ty: 'gr', it }] })

test('Closing reaches keyframes, groups and masks, and only where the file is old', () => {
  const keyframed = { ty: 'sh', closed: true, ks: { a: 1, k: [{ t: 0, s: [{ v: [], i: [], o: [] }], e: [{ v: [], i: [], o: [] }] }, { t: 9 }] } }
  const layer = { ...shapes(path(undefined, { closed: true }), keyframed), hasMask: true, masksProperties: [{ mode: 'a', cl: true, pt: path().ks }] }
  const { layers: [now] } = prepare(old('4.4.17', structuredClone(layer))).written
  const [still, moving] = now.shapes[0].it
  assert.deepEqual([still.ks.k.c, moving.ks.k[0].s[0].c, moving.ks.k[0].e[0].c, now.masksProperties[0].pt.k.c], [true, true, true, true])
  assert.equal(prepare(old('4.4.18', layer)).written.layers[0].shapes[0].it[0].ks.k.c, undefined)
})

test('Fills of 4.1.9 and later stay as they are', () => {
  const red = () => shapes({ ty: 'fl', c: { a: 0, k: [255, 0, 0, 255] }, o: { k: 100 } })
  const colour = v => prepare(old(v, red())).written.layers[0].shapes[0].it[0].c.k
  assert.deepEqual([colour('4.1.8'), colour('4.1.9'), colour('5.0.0'), colour(undefined)], [[1, 0, 0, 1], ...Array(3).fill([255, 0, 0, 255])])
})

test('A text document without keyframes gets one, and plain path options become properties', () => {
  const text = { ty: 5, t: { d: { t: 'Hi', f: 'F', s: 20, j: 0, fc: [0, 0, 0] }, p: { m: 0, a: 1, p: 2, r: 3 }, a: [] } }
  const { t } = prepare(old('4.4.13', text)).written.layers[0]
  assert.deepEqual([t.d.k.length, t.d.k[0].t, t.d.k[0].s.t.length], [1, 0, 2])
  assert.deepEqual(t.p, { m: 0, a: { a: 0, k: 1 }, p: { a: 0, k: 2 }, r: { a: 0, k: 3 } })
})
