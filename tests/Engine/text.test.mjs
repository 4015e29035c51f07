// Texts are judged by what is drawn: ink in real frames, and the outlines behind each baked character.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { codes, Engine, prepare, textFilm } from './support.mjs'

let engine
before(() => { engine = new Engine() })
after(() => engine.close())

async function draw(bundle, request, at = 0) {
  const answer = prepare(bundle, request)
  assert.deepEqual(answer.errors, [])
  await engine.load(answer.path, 1000, 400)
  return Object.assign((await engine.frames(at))[0], { answer, chars: answer.written.chars.slice(1) })
}
const extent = spans => spans.at(-1)[1] - spans[0][0]
const documentOf = picture => picture.answer.written.layers[0].t.d.k[0].s

test('Accents of every European script are drawn', async () => {
  for (const [plain, accented] of [['Angstrom', 'Ångström'], ['Viet Nam', 'Việt Nam'], ['и', 'й'], ['ω', 'ώ']]) {
    const [without, with_] = [await draw(textFilm({ t: plain })), await draw(textFilm({ t: accented }))]
    assert.ok(with_.ink() > without.ink(), accented)
    assert.ok(with_.rows()[0][0] < without.rows()[0][0] || with_.rows().length > without.rows().length, `${accented} stands higher`)
  }
})

test('A composed and a decomposed accent are the same glyph', async () => {
  const [one, two] = [await draw(textFilm({ t: '\u00e9' })), await draw(textFilm({ t: 'e\u0301' }))]
  assert.deepEqual(one.chars, two.chars)
})

test('Kerning pulls pairs together', async () => {
  const [pair, a, v] = [await draw(textFilm({ t: 'AV' })), await draw(textFilm({ t: 'A' })), await draw(textFilm({ t: 'V' }))]
  const width = picture => picture.chars.reduce((sum, c) => sum + c.w, 0)
  assert.ok(width(pair) < width(a) + width(v) - 1, `${width(pair)} < ${width(a)} + ${width(v)}`)
  assert.equal(pair.columns().length, 1, 'A and V overlap')
})

test('Persian letters join: a word is one stroke where its letters apart are many', async () => {
  const joined = await draw(textFilm({ t: 'پیشی', f: 'Vazirmatn', tr: 0 }))
  const apart = await draw(textFilm({ t: 'پ ی ش ی', f: 'Vazirmatn' }))
  assert.equal(joined.columns().length, 1)
  assert.ok(apart.columns().length >= 4)
})

test('A letter has four shapes, a non-joiner splits a word, and marks belong to their letter', async () => {
  const shapes = async t => (await draw(textFilm({ t, f: 'Vazirmatn' }))).chars.map(c => JSON.stringify(c.data))
  const [alone] = await shapes('ه')
  assert.equal(new Set([alone, ...await shapes('ههه')]).size, 4)
  const [whole, split] = [await shapes('میخواهم'), await shapes('می\u200cخواهم')]
  assert.notDeepEqual(split, whole)
  assert.deepEqual(split.length, whole.length)
  assert.equal((await shapes('مُحَمَّد')).length, 4)
})

test('Persian runs from right to left', async () => {
  const [word, letter] = [await draw(textFilm({ t: 'اب', f: 'Vazirmatn' })), await draw(textFilm({ t: 'ا', f: 'Vazirmatn' }))]
  assert.deepEqual(word.chars.at(-1).data, letter.chars[0].data, 'the first letter stands last on the line')
})

test('Mixed directions keep their order, each within its own', async () => {
  const glyphs = async (t, f) => {
    const picture = await draw(textFilm({ t, f }))
    const { t: baked } = documentOf(picture)
    return [...baked].map(ch => (ch === ' ' ? ' ' : JSON.stringify(picture.chars.find(c => c.ch === ch).data)))
  }
  const [latin, persian] = [await glyphs('Hi', 'Vazirmatn'), await glyphs('سلام', 'Vazirmatn')]
  assert.deepEqual(await glyphs('Hi سلام', 'Vazirmatn'), [...latin, ' ', ...persian])
  assert.deepEqual(await glyphs('سلام Hi', 'Vazirmatn'), [...latin, ' ', ...persian])
  assert.deepEqual((await glyphs('سلام (Hi)', 'Vazirmatn')).slice(1, 3), latin)
  const numbers = await glyphs('۱۲۳', 'Vazirmatn')
  assert.deepEqual(await glyphs('سلام ۱۲۳', 'Vazirmatn'), [...numbers, ' ', ...persian])
})

test('Each letter takes the first font that has it, and the substitute is named once', async () => {
  const { answer } = await draw(textFilm({ t: 'a', name: 'T', f: 'Fancy' }), { inputs: { T: 'abc سلام' } })
  assert.deepEqual(answer.warnings.map(w => [w.code, w.field, /'Fancy'.*'(.*)'/.exec(w.message)[1]]), [
    ['FONT_SUBSTITUTED', 'T', 'NotoSans-Regular'], ['FONT_SUBSTITUTED', 'T', 'Vazirmatn-Regular'],
  ])
})

test('A character that no font has is an error with its name, and every one of them is told', () => {
  const { errors } = prepare(textFilm({ t: 'a', name: 'T' }), { inputs: { T: 'a😀漢' } })
  assert.deepEqual(codes(errors), ['MISSING_GLYPH T', 'MISSING_GLYPH T'])
  assert.match(errors[0].message, /'😀' \(U\+1F600\) of the field 'T'/)
})

test('A box breaks lines at spaces and hyphens, and words longer than itself', async () => {
  const lines = async (t, width) => documentOf(await draw(textFilm({ t, s: 40, lh: 48, sz: [width, 400], ps: [0, -190] }))).t.split('\r').map(line => line.length)
  assert.deepEqual([await lines('one two three', 900), await lines('one two three', 200), await lines('one two three', 110)], [[13], [7, 5], [3, 3, 5]])
  assert.deepEqual(await lines('well-known', 150), [5, 5])
  assert.deepEqual(await lines('call 555-1234', 185), [4, 8])
  assert.deepEqual((await lines('supercalifragilistic', 150)).length, 3)
  assert.deepEqual(await lines('one a\u00a0b', 100), [3, 3])
})

for (const breaks of ['\r', '\n', '\r\n', '\u0003', '\u2028'])
  test(`${JSON.stringify(breaks)} breaks a line`, async () => {
    assert.equal((await draw(textFilm({ t: `one${breaks}one`, y: 100 }))).rows().length, 2)
  })

test('Lines stay inside their box for every justification', async () => {
  for (const [j, edges] of [[0, 'left'], [1, 'right'], [2, 'centre'], [3, 'both'], [4, 'both'], [5, 'both'], [6, 'both']]) {
    const picture = await draw(textFilm({ t: 'the quick brown fox jumps over the dog', s: 50, lh: 60, j, x: 100, y: 60, sz: [600, 340], ps: [0, 0] }))
    const columns = picture.columns()
    const [left, right] = [columns[0][0], columns.at(-1)[1]]
    assert.ok(left >= 95 && right <= 705, `${j}: ${left}..${right}`)
    if (edges !== 'right' && edges !== 'centre') assert.ok(left < 106, `${j} starts at ${left}`)
    if (edges !== 'left' && edges !== 'centre') assert.ok(right > 694, `${j} ends at ${right}`)
    if (edges === 'centre') assert.ok(Math.abs(left + right - 800) < 8, `${j}: ${left}..${right}`)
  }
})

test('A baked line is never broken again, whatever the tracking', async () => {
  const picture = await draw(textFilm({ t: 'WIDE TEXT', s: 60, tr: -150, sz: [330, 300], ps: [0, -100] }))
  assert.equal(picture.rows().length, documentOf(picture).t.split('\r').length)
})

test('Tracking, baseline shift and size keep working on baked text', async () => {
  const plain = await draw(textFilm({ t: 'HHHH' }))
  const tracked = await draw(textFilm({ t: 'HHHH', tr: 200 }))
  const shifted = await draw(textFilm({ t: 'HHHH', ls: 30 }))
  const half = await draw(textFilm({ t: 'HHHH', s: 50 }))
  assert.equal(extent(tracked.columns()) - extent(plain.columns()), 60)
  assert.equal(plain.rows()[0][0] - shifted.rows()[0][0], 30)
  assert.ok(Math.abs(extent(plain.columns()) / 2 - extent(half.columns())) <= 1)
})

test('Tracking sets Latin letters apart and keeps Persian words whole', async () => {
  const tracked = await draw(textFilm({ t: 'پیشی پیشی', f: 'Vazirmatn', tr: 300 }))
  const plain = await draw(textFilm({ t: 'پیشی پیشی', f: 'Vazirmatn' }))
  assert.equal(tracked.columns().length, 2)
  assert.deepEqual(tracked.columns().map(([a, b]) => b - a), plain.columns().map(([a, b]) => b - a))
  const ligature = async tr => documentOf(await draw(textFilm({ t: 'ffi', tr }))).t.length
  assert.deepEqual([await ligature(0), await ligature(100)], [1, 3])
})

test('Capitals are made before shaping', async () => {
  const [capitals, typed] = [await draw(textFilm({ t: 'straße', ca: 1 })), await draw(textFilm({ t: 'STRASSE' }))]
  assert.ok(capitals.pixels.equals(typed.pixels))
})

const reveal = { s: { t: 0, s: { a: 0, k: 0 }, e: { a: 0, k: 25 }, o: { a: 0, k: 0 }, a: { a: 0, k: 100 }, xe: { a: 0, k: 0 }, ne: { a: 0, k: 0 }, b: 1, rn: 0, sh: 1, r: 1 }, a: { o: { a: 0, k: 0 } } }

test('A range selector hides the first quarter of what is read, in both directions', async () => {
  const latin = await draw(textFilm({ t: 'HHHH', animators: [reveal] }))
  const whole = await draw(textFilm({ t: 'HHHH' }))
  assert.deepEqual(latin.columns(), whole.columns().slice(1))
  const persian = await draw(textFilm({ t: 'دددد', f: 'Vazirmatn', animators: [reveal] }))
  const all = await draw(textFilm({ t: 'دددد', f: 'Vazirmatn' }))
  assert.deepEqual(persian.columns(), all.columns().slice(0, 3))
})

test('Word selectors still find the words', async () => {
  const words = { ...reveal, s: { ...reveal.s, e: { a: 0, k: 50 }, b: 3 } }
  const [hidden, whole] = [await draw(textFilm({ t: 'III H', animators: [words] })), await draw(textFilm({ t: 'III H' }))]
  assert.deepEqual(hidden.columns(), whole.columns().slice(-1))
})

test('A text with keyframes shows each in its time', async () => {
  const bundle = textFilm({ t: 'I' })
  const { k } = bundle.lottie.layers[0].t.d
  k.push({ t: 10, s: { ...k[0].s, t: 'II' } }, { t: 20, s: { ...k[0].s, t: 'III' } })
  const { path } = prepare(bundle)
  await engine.load(path, 1000, 400)
  assert.deepEqual((await engine.frames(0, 15, 25)).map(f => f.columns().length), [1, 2, 3])
})

test('A text inside a pre-composition is baked', async () => {
  const bundle = textFilm({ t: 'a', name: 'Inner' })
  bundle.lottie.assets = [{ id: 'c', layers: bundle.lottie.layers }]
  bundle.lottie.layers = [{ ty: 0, nm: 'C', refId: 'c', w: 1000, h: 400, ks: {}, ip: 0, op: 30, st: 0 }]
  assert.equal((await draw(bundle, { inputs: { Inner: 'III' } })).columns().length, 3)
})

test('An empty text draws nothing and harms nothing', async () => {
  for (const t of ['', '   ', '\n\n']) assert.equal((await draw(textFilm({ t }))).ink(), 0)
})

test('A text of many different characters fits, one too long is refused', () => {
  const many = Array.from({ length: 400 }, (_, i) => String.fromCodePoint(0x100 + i % 100) + String.fromCodePoint(0x410 + i % 32)).join('')
  assert.equal(prepare(textFilm({ t: many })).ok, true)
  assert.deepEqual(codes(prepare(textFilm({ t: 'x'.repeat(6001) })).errors), ['TEXT_TOO_LONG'])
  assert.deepEqual(codes(prepare(textFilm({ t: 'x', name: 'T' }), { inputs: { T: 'x'.repeat(6001) } }).errors), ['TOO_LONG T'])
})
