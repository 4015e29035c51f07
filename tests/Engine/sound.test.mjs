import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { bundleOf, codes, prepare, scratchFile } from './support.mjs'

const tool = (program, ...words) => execFileSync(program, words, { encoding: 'buffer', maxBuffer: 1 << 28 })
const tone = kind => {
  // To a file: a WAV or FLAC that was written to a pipe does not know its own length.
  const path = scratchFile()
  tool('ffmpeg', '-v', 'error', '-y', '-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=44100:duration=2', '-f', kind, path)
  return readFileSync(path)
}
const uri = (bytes, type = 'audio/wav') => `data:${type};base64,${bytes.toString('base64')}`
const square = { ty: 1, nm: 'square', sw: 20, sh: 20, sc: '#ff0000', ip: 0, op: 90, st: 0, ks: {} }
const film = (sounds, more = {}) => ({
  v: '5.9.0', fr: 30, ip: 0, op: 90, w: 64, h: 48,
  layers: [...sounds.map(({ p, ...layer }, i) => ({ ty: 6, nm: `sound ${i}`, refId: `s${i}`, ip: 0, op: 90, st: 0, au: { lv: { a: 0, k: [100, 100] } }, ...layer })), square],
  assets: sounds.map(({ p }, i) => ({ id: `s${i}`, u: '', p, e: 1 })), ...more,
})
const track = answer => JSON.parse(tool('ffprobe', '-v', 'error', '-show_entries', 'stream=codec_name,sample_rate,channels,start_pts,duration_ts', '-of', 'json', `${answer.path}.m4a`)).streams
const samples = answer => { const b = tool('ffmpeg', '-v', 'error', '-i', `${answer.path}.m4a`, '-f', 's16le', '-ac', '1', '-'); return new Int16Array(b.buffer, b.byteOffset, b.length >> 1) }
const loud = (wave, from, to) => wave.subarray(from * 48000, to * 48000).reduce((most, v) => Math.max(most, Math.abs(v)), 0)

test('Sounds become one AAC track of exactly the film\'s length', () => {
  const answer = prepare(bundleOf(film([{ p: uri(tone('wav')), ip: 15, op: 45, st: 15 }])))
  assert.deepEqual([answer.ok, answer.sound, answer.warnings], [true, true, []])
  assert.deepEqual(track(answer), [{ codec_name: 'aac', sample_rate: '48000', channels: 2, start_pts: 0, duration_ts: 144000 }])
  const wave = samples(answer)
  assert.ok(loud(wave, 0.05, 0.45) < 50, 'silent before the layer begins')
  assert.ok(loud(wave, 0.6, 1.4) > 1000, 'heard while it lasts')
  assert.ok(loud(wave, 1.6, 2.9) < 50, 'silent after it')
})

test('At a broken frame rate the length is exact too, and levels are heeded', () => {
  const both = prepare(bundleOf(film([{ p: uri(tone('wav')) }, { p: uri(tone('mp3'), 'audio/mpeg'), au: { lv: { a: 0, k: [0, 0] } } }])), { fps: '30000/1001' })
  assert.equal(track(both)[0].duration_ts, Math.round(both.film.seconds * 48000))
  const half = prepare(bundleOf(film([{ p: uri(tone('wav')), au: { lv: { a: 0, k: [50, 50] } } }])))
  const [whole, less] = [loud(samples(both), 0.5, 1.5), loud(samples(half), 0.5, 1.5)]
  assert.ok(Math.abs(less / whole - 0.5) < 0.05, `${less} is half of ${whole}`)
})

test('The same request makes the same track', () => {
  const bundle = bundleOf(film([{ p: uri(tone('flac'), 'audio/flac') }]))
  const [one, other] = [prepare(bundle), prepare(bundle)].map(a => tool('cat', `${a.path}.m4a`))
  assert.ok(one.equals(other))
})

test('A sound beside the template is played, and none of it reaches the engine', () => {
  const answer = prepare({ ...bundleOf(film([{ p: 'song.ogg' }])), assets: { 'song.ogg': uri(tone('ogg'), 'audio/ogg') } })
  assert.deepEqual([answer.ok, answer.sound, answer.written.assets[0].p], [true, true, ''])
})

test('What cannot be decoded is refused, all at once', () => {
  const cut = tone('flac')
  const { ok, errors, path } = prepare(bundleOf(film([
    { p: uri(Buffer.from('#EXTM3U\nhttp://example.org/a.ts\n')) }, { p: 'gone.mp3' }, { p: uri(cut.subarray(0, cut.length >> 1), 'audio/flac') }, { p: uri(Buffer.from('RIFF....WAVEnothing')) },
  ])))
  assert.equal(ok, false)
  assert.deepEqual(codes(errors), ['MISSING_SOUND', 'SOUND_INVALID', 'SOUND_INVALID', 'SOUND_INVALID'])
  assert.equal(existsSync(`${path}.m4a`), false)
})

test('A film without sounds has no track', () => {
  const answer = prepare(bundleOf(film([])))
  assert.deepEqual([answer.ok, answer.sound], [true, false])
})
