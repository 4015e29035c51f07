import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bundleOf, codes, prepare, realFile, sample, textFilm } from './support.mjs'

const PNG = sample('title-card').assets['images/logo.png']
const film = (layers, assets = []) => ({ v: '5.9.0', fr: 30, ip: 0, op: 30, w: 100, h: 100, layers, assets })
const shape = (nm, ...it) => ({ ty: 4, nm, ip: 0, op: 30, st: 0, ks: {}, shapes: [{ ty: 'gr', nm: 'Box', it }] })
const fill = (...k) => ({ ty: 'fl', nm: 'Fill', c: { a: 0, k }, o: { a: 0, k: 100 } })
const withFields = (lottie, ...fields) => ({ ...bundleOf(lottie), fields: { fields } })

test('Everything that is wrong with the inputs is said at once', () => {
  const bundle = sample('title-card')
  delete bundle.assets['images/logo.png']
  const { ok, errors } = prepare(bundle, { inputs: { title: '', subtitle: 'x'.repeat(61), accent: 'red', logo: 'logo.png', nothing: '1', background: 7 } })
  assert.equal(ok, false)
  assert.deepEqual(codes(errors), [
    'COLOUR_INVALID accent', 'IMAGE_INVALID logo', 'MISSING_FIELD title', 'MISSING_IMAGE', 'TOO_LONG subtitle', 'UNKNOWN_FIELD nothing', 'WRONG_TYPE background',
  ])
})

test('An unknown field is answered with the known ones', () => {
  const { errors } = prepare(textFilm({ t: 'a', name: 'Title' }), { inputs: { titel: 'x' } })
  assert.match(errors[0].message, /'titel'.*'Title'/)
})

test('Without a field file every text layer is a field by its name', () => {
  const { ok, written } = prepare(textFilm({ t: 'a', name: 'Title' }, { t: 'b', name: 'Title' }, { t: 'c', name: 'Other' }), { inputs: { Title: 'xyz' } })
  assert.equal(ok, true)
  assert.deepEqual(written.layers.map(l => l.t.d.k[0].s.t.length), [3, 3, 1])
})

test('The length of a text counts what a reader sees as characters', () => {
  const bundle = withFields(textFilm({ t: 'a', name: 'T' }).lottie, { key: 'T', type: 'text', max_length: 4 })
  assert.deepEqual(codes(prepare(bundle, { inputs: { T: 'e\u0301e\u0301e\u0301e\u0301' } }).errors), [])
  assert.deepEqual(codes(prepare(bundle, { inputs: { T: 'abcde' } }).errors), ['TOO_LONG T'])
})

test('A required field may take its default, but not stay empty', () => {
  const field = { key: 'T', type: 'text', required: true }
  const { lottie } = textFilm({ t: 'a', name: 'T' })
  assert.deepEqual(codes(prepare(withFields(lottie, field)).errors), ['MISSING_FIELD T'])
  assert.equal(prepare(withFields(lottie, { ...field, default: 'hello' })).ok, true)
})

test('A field file that names what is not there is refused', () => {
  const { errors } = prepare(withFields(textFilm({ t: 'a', name: 'T' }).lottie,
    { key: 'a', type: 'text', layer: 'Nobody' }, { key: 'b', type: 'image', asset: 'none' }, { key: 'c', type: 'colour' }, { key: 'd', type: 'color' }, { key: 'd', type: 'text' }, {}))
  assert.deepEqual(codes(errors), Array(6).fill('FIELDS_INVALID'))
})

test('Colours are found by value, by layer and by shape, in keyframes and gradients too', () => {
  const lottie = film([
    shape('A', fill(1, 0, 0, 1), { ty: 'st', nm: 'Line', c: { a: 1, k: [{ t: 0, s: [1, 0, 0, 1], e: [0, 1, 0, 1] }] }, o: { a: 0, k: 100 } }),
    shape('B', { ty: 'gf', nm: 'G', g: { p: 2, k: { a: 0, k: [0, 1, 0, 0, 1, 0, 0, 0] } } }, fill(0, 0, 1, 1)),
    { ty: 1, nm: 'Solid', sc: '#ff0000', ks: {}, ip: 0, op: 30, st: 0, sw: 10, sh: 10 },
  ])
  const { written } = prepare(withFields(lottie, { key: 'red', type: 'color', targets: ['#ff0000'] }, { key: 'box', type: 'color', targets: ['B/Fill'] }),
    { inputs: { red: '#0000ff', box: '#00ff0080' } })
  const [a, b, solid] = written.layers
  assert.deepEqual(a.shapes[0].it.map(i => i.c.k), [[0, 0, 1, 1], [{ t: 0, s: [0, 0, 1, 1], e: [0, 1, 0, 1] }]])
  assert.deepEqual(b.shapes[0].it[0].g.k.k, [0, 0, 0, 1, 1, 0, 0, 0])
  assert.deepEqual([b.shapes[0].it[1].c.k, Math.round(b.shapes[0].it[1].o.k)], [[0, 1, 0, 1], 50])
  assert.equal(solid.sc, '#0000ff')
})

test('Two colours can be swapped', () => {
  const lottie = film([shape('A', fill(1, 0, 0, 1)), shape('B', fill(0, 0, 1, 1))])
  const { written } = prepare(withFields(lottie, { key: 'a', type: 'color', targets: ['#f00'] }, { key: 'b', type: 'color', targets: ['#00f'] }), { inputs: { a: '#0000ff', b: '#ff0000' } })
  assert.deepEqual(written.layers.map(l => l.shapes[0].it[0].c.k), [[0, 0, 1, 1], [1, 0, 0, 1]])
})

const picture = { ty: 2, nm: 'P', refId: 'i', ks: {}, ip: 0, op: 30, st: 0 }
const asset = { id: 'i', w: 10, h: 10, u: 'images/', p: 'a b.png', e: 0 }

test('Images move into the template, wherever the file says they are', () => {
  for (const path of ['images/a b.png', './images/a b.png', 'a b.png'])
    assert.deepEqual(prepare({ ...bundleOf(film([picture], [asset])), assets: { [path]: PNG } }).written.assets[0], { id: 'i', w: 10, h: 10, u: '', p: PNG, e: 1 })
})

test('An image that is missing and drawn is an error; one that nothing draws is a warning', () => {
  const { ok, errors } = prepare(bundleOf(film([picture], [asset])))
  assert.deepEqual([ok, codes(errors), errors[0].message.includes('images/a b.png')], [false, ['MISSING_IMAGE'], true])
  const unused = prepare(bundleOf(film([shape('A')], [asset])))
  assert.deepEqual([unused.ok, codes(unused.warnings)], [true, ['MISSING_IMAGE']])
})

test('No path is left for the engine to look up, and a layer without its asset is told', () => {
  const sound = { id: 's', u: '/etc/', p: 'x.mp3' }
  const { written, warnings } = prepare(bundleOf(film([shape('A'), { ...picture, refId: 'gone' }, { ty: 9, ks: {}, ip: 0, op: 30, st: 0 }], [asset, sound])))
  assert.deepEqual(written.assets.map(a => [a.u, a.p]), [['', ''], ['', '']])
  assert.deepEqual(codes(warnings), ['LAYER_IGNORED', 'MISSING_ASSET', 'MISSING_IMAGE'])
})

const bytes = Buffer.from(PNG.slice(PNG.indexOf(',') + 1), 'base64')
for (const [what, uri] of [
  ['nothing', 'data:image/png;base64,'], ['words', 'data:image/png;base64,' + Buffer.from('hello there').toString('base64')], ['no URI', 'logo.png'],
  ['half a PNG', 'data:image/png;base64,' + bytes.subarray(0, bytes.length >> 1).toString('base64')],
  ['a PNG that lacks its last chunk', 'data:image/png;base64,' + bytes.subarray(0, bytes.length - 12).toString('base64')],
  ['a PNG with a broken bit', 'data:image/png;base64,' + Buffer.from(bytes.map((b, i) => (i === bytes.length >> 1 ? b ^ 8 : b))).toString('base64')],
  ['half a JPEG', 'data:image/jpeg;base64,' + Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0, 0xff, 0xda, 0, 0]).toString('base64')],
  ['an SVG', 'data:image/svg+xml;base64,' + Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>').toString('base64')],
  ['a PNG of 60000x60000', 'data:image/png;base64,' + Buffer.concat([bytes.subarray(0, 16), Buffer.from([0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]), bytes.subarray(24)]).toString('base64')],
]) test(`An image field that holds ${what} is refused`, () => {
  assert.deepEqual(codes(prepare(sample('title-card'), { inputs: { logo: uri } }).errors), ['IMAGE_INVALID logo'])
})

test('A text longer than its box is a warning that names the field', () => {
  const { ok, warnings } = prepare(sample('title-card'), { inputs: { title: 'one two three four five six seven eight nine ten' } })
  assert.deepEqual([ok, codes(warnings)], [true, ['TEXT_OVERFLOWS_BOX title']])
})

test('Expressions are a warning, once a layer', () => {
  const layer = shape('Wiggly', { ...fill(1, 0, 0, 1), o: { a: 0, k: 100, x: 'var $bm_rt; $bm_rt = wiggle(1, 2);' } })
  layer.ks = { r: { a: 0, k: 0, x: 'time*3' } }
  const { ok, warnings } = prepare(bundleOf(film([layer])))
  assert.deepEqual([ok, codes(warnings), warnings[0].message.includes('Wiggly')], [true, ['EXPRESSION_IGNORED'], true])
})

test('Effects and styles that are not drawn are a warning; those that are, and controls, are not', () => {
  const effect = (mn, ty) => ({ ty, nm: mn, mn, ef: [] })
  const layer = { ...shape('A'), ef: [effect('ADBE Gaussian Blur 2', 29), effect('ADBE Slider Control', 5), effect('ADBE Lens Flare', 5)], sy: [{ ty: 1 }, { ty: 0, nm: 'Stroke' }] }
  const { ok, warnings } = prepare(bundleOf(film([layer])))
  assert.deepEqual([ok, codes(warnings), /Lens Flare/.test(warnings[0].message)], [true, ['EFFECT_IGNORED', 'STYLE_IGNORED'], true])
})

test('A text of a real template is changed by its layer name and the rest stays', () => {
  const lottie = JSON.parse(realFile('banner.json'))
  const texts = inputs => {
    const { ok, written } = prepare(bundleOf(lottie), { inputs })
    assert.equal(ok, true)
    const drawn = ({ f, t }) => [...t].map(ch => JSON.stringify(written.chars.find(c => c.ch === ch && c.fFamily === written.fonts.list.find(l => l.fName === f).fFamily).data))
    const layers = written.assets.flatMap(a => a.layers ?? []).filter(l => l.ty === 5)
    return Object.fromEntries(layers.map(l => [l.nm, drawn(l.t.d.k[0].s)]))
  }
  const [before, changed] = [texts({}), texts({ 'Share.': 'Shire.' })]
  assert.deepEqual(changed, { ...before, 'Share.': [before['Share.'][0], before['Share.'][1], before['Inspire.'][4], ...before['Share.'].slice(3)] })
})
