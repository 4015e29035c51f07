import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { bundleOf, codes, ENGINE, PREPARE, prepare, realFile, sample, scratchFile, textFilm } from './support.mjs'

const film = (layers, assets = []) => ({ v: '5.9.0', fr: 30, ip: 0, op: 30, w: 100, h: 100, layers, assets })
const comp = refId => ({ ty: 0, refId, ks: {}, ip: 0, op: 30, st: 0, w: 1, h: 1 })
const refused = (bundle, request) => {
  const { ok, errors, written } = prepare(bundle, request)
  assert.deepEqual([ok, written], [false, null])
  return codes(errors)
}

test('What is no template is refused for what it is', () => {
  for (const [text, code] of [
    ['hello', 'TEMPLATE_NOT_JSON'], ['', 'TEMPLATE_NOT_JSON'], ['{"lottie":', 'TEMPLATE_NOT_JSON'], ['[]', 'TEMPLATE_NOT_LOTTIE'], ['null', 'TEMPLATE_NOT_LOTTIE'],
    ['{"lottie":[]}', 'TEMPLATE_NOT_LOTTIE'], ['{"lottie":"x"}', 'TEMPLATE_NOT_LOTTIE'],
  ]) assert.deepEqual(refused(text), [code], text)
  assert.ok(refused(bundleOf({ name: 'package', version: '1' })).includes('TEMPLATE_NOT_LOTTIE'))
  assert.deepEqual(refused(bundleOf(film([]))), ['NO_LAYERS'])
  assert.deepEqual(codes(prepare('x', { bundle: '/nowhere/bundle.json' }).errors), ['TEMPLATE_UNREADABLE'])
})

test('A template too large is refused before it is read', () => {
  assert.deepEqual(refused(bundleOf(film([comp('a')])), { limits: { max_template_bytes: 100 } }), ['TEMPLATE_TOO_LARGE'])
})

test('Deep nesting is refused, by the file and by its pre-compositions', () => {
  assert.deepEqual(refused(`{"lottie":{"layers":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`), ['TEMPLATE_TOO_DEEP'])
  const chain = Array.from({ length: 300 }, (_, i) => ({ id: `c${i}`, layers: [comp(`c${i + 1}`)] }))
  assert.deepEqual(refused(bundleOf(film([comp('c0')], chain))), ['TEMPLATE_TOO_DEEP'])
})

test('A pre-composition that contains itself is refused, directly or round a corner', () => {
  assert.deepEqual(refused(bundleOf(film([comp('a')], [{ id: 'a', layers: [comp('a')] }]))), ['PRECOMP_CYCLE'])
  assert.deepEqual(refused(bundleOf(film([comp('a')], [{ id: 'a', layers: [comp('b')] }, { id: 'b', layers: [comp('a')] }]))), ['PRECOMP_CYCLE'])
})

test('A template that unfolds to millions of layers is refused', () => {
  const assets = Array.from({ length: 20 }, (_, i) => ({ id: `c${i}`, layers: [comp(`c${i + 1}`), comp(`c${i + 1}`), comp(`c${i + 1}`)] }))
  assert.deepEqual(refused(bundleOf(film([comp('c0')], assets))), ['TEMPLATE_TOO_COMPLEX'])
})

test('Prototype keys change nothing for anybody', () => {
  const text = JSON.stringify(textFilm({ t: 'a', name: 'T' })).replace('"nm":"T"', '"nm":"T","__proto__":{"polluted":1}')
  assert.equal(prepare(text, { inputs: JSON.parse('{"__proto__":"x"}') }).ok, false)
  assert.equal(prepare(text).ok, true)
  assert.equal({}.polluted, undefined)
})

test('The answer stays readable, whatever names the template uses', () => {
  const layers = Array.from({ length: 2000 }, (_, i) => ({ ty: 2, refId: { toString: 1, valueOf: 2 }, nm: `${i}${'x'.repeat(3000)}`, ks: {}, ip: 0, op: 30, st: 0 }))
  const { ok, warnings } = prepare(bundleOf(film(layers)))
  assert.deepEqual([ok, warnings.length], [true, 500])
  assert.ok(warnings.every(w => w.message.length < 700))
})

test('Numbers that are none are refused', () => {
  assert.ok(refused(JSON.stringify(bundleOf(film([comp('a')]))).replace('"op":30,"w"', '"op":1e999,"w"')).includes('DURATION_INVALID'))
})

test('A font that is no font is an error', () => {
  const bundle = { ...textFilm({ t: 'a' }), fonts: { 'Noto Sans': 'data:font/ttf;base64,AAEAAAAKAIAAAwAg', Other: 'none', 'More': 7 } }
  assert.deepEqual(refused(bundle), ['FONT_INVALID', 'FONT_INVALID', 'FONT_INVALID'])
})

test('An output that cannot be written is an error', () => {
  const answer = prepare(bundleOf(film([comp('a')])), { out: '/nowhere/at/all/prepared.json' })
  assert.deepEqual(codes(answer.errors), ['OUTPUT_UNWRITABLE'])
})

// mulberry32: the same mutations on every machine.
function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

test('A hundred and twenty broken templates are prepared or refused, none crashes', () => {
  const next = random(20)
  const any = list => list[Math.floor(next() * list.length)]
  const poison = [{ toString: 1, valueOf: 1 }, null, true, -1, 0, 1e308, '', 'x', [], {}, [null], [[[]]], { k: null }, { k: [null] }, { k: [{}] }, { s: [null] }, '\u0000', 'سلام']
  const sound = ['DynamicText.json', 'Multiline.json', 'animated_logo.json', 'penguin.json', 'rocket.json'].map(name => bundleOf(JSON.parse(realFile(name))))
  sound.push(sample('title-card'), sample('nowruz'))
  let prepared = 0
  for (let round = 0; round < 120; round++) {
    const bundle = structuredClone(sound[round % sound.length])
    for (let cuts = 1 + Math.floor(next() * 5); cuts > 0; cuts--) {
      let parent = next() < 0.1 ? bundle : next() < 0.6 ? bundle.lottie.layers : bundle.lottie.fonts ?? bundle.lottie
      for (let depth = 0; depth < 12 && parent !== null && typeof parent === 'object' && Object.keys(parent).length > 0; depth++) {
        const key = any(Object.keys(parent))
        if (parent[key] !== null && typeof parent[key] === 'object' && next() > 0.06) { parent = parent[key]; continue }
        if (next() < 0.2) delete parent[key]
        else parent[key] = structuredClone(any(poison))
        break
      }
    }
    const answer = prepare(bundle)
    if (answer.ok) prepared++
    assert.equal(answer.ok, answer.errors.length === 0)
    assert.ok(answer.errors.every(e => /^[A-Z_]+$/.test(e.code) && e.message.endsWith('.')), JSON.stringify(answer.errors))
  }
  assert.ok(prepared > 30 && prepared < 120, `${prepared} prepared`)
})

test('As a child, the preparation answers one JSON line and exits 0, whatever it is asked', () => {
  const run = input => spawnSync(process.execPath, [PREPARE], { input, encoding: 'utf8' })
  for (const [input, code] of [['', 'BAD_REQUEST'], ['[', 'BAD_REQUEST'], ['null', 'BAD_REQUEST'], ['[]', 'BAD_REQUEST'], ['{}', 'BAD_REQUEST'], [JSON.stringify({ bundle: ENGINE, out: scratchFile() }), 'TEMPLATE_NOT_JSON']]) {
    const { status, stdout, stderr } = run(input)
    assert.deepEqual([status, stderr, JSON.parse(stdout).errors[0].code], [0, '', code], input)
  }
  const out = scratchFile()
  const { stdout } = run(JSON.stringify({ bundle: scratchFile(JSON.stringify(sample('title-card'))), inputs: { title: 'Hi' }, width: 1280, height: null, fps: '24', background: '#000000', out }))
  const answer = JSON.parse(stdout)
  assert.deepEqual([answer.ok, answer.film.width, answer.film.height, answer.film.frames, answer.frame_step], [true, 1280, 720, 132, '5/4'])
})
