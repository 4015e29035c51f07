import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problems } from '../../src/Services/Render/prepare/problems.mjs'
import { planFilm } from '../../src/Services/Render/prepare/film.mjs'

const LIMITS = { max_seconds: 3600, max_pixels: 33177600, max_frames: 216000 }
const plan = (template, request = {}, limits = LIMITS) => {
  const problems = new Problems()
  const made = planFilm({ w: 1920, h: 1080, fr: 30, ip: 0, op: 90, ...template }, request, limits, problems)
  return { ...made, errors: problems.errors.map(e => e.code), messages: problems.errors.map(e => e.message) }
}
const pick = ({ film, frame_step }, ...keys) => Object.fromEntries(keys.map(k => [k, k === 'frame_step' ? frame_step : film[k]]))

for (const [fr, num, den] of [
  [30, 30, 1], [25, 25, 1], [60, 60, 1], [74, 74, 1], [29.97, 30000, 1001], [29.9700012207031, 30000, 1001], [29.9700298309326, 30000, 1001],
  [23.976, 24000, 1001], [23.9759979248047, 24000, 1001], [23.98, 24000, 1001], [59.94, 60000, 1001], [59.9400024414062, 60000, 1001],
  [119.88, 120000, 1001], [12.5, 25, 2], [0.5, 1, 2], [30.0000012, 30, 1], [15.36, 384, 25],
]) test(`A rate of ${fr} is ${num}/${den}`, () => {
  assert.deepEqual(pick(plan({ fr }), 'rate_num', 'rate_den'), { rate_num: num, rate_den: den })
})

for (const [ip, op, frames] of [
  [0, 61.0000024845809, 61], [0, 60.995, 61], [0, 60.98, 61], [0, 60.5, 61], [0, 61.02, 62], [10, 40, 30], [-10, 5, 15], [0, 0.4, 1], [29.97, 59.97, 30],
]) test(`A template from ${ip} to ${op} has ${frames} frames`, () => {
  assert.equal(plan({ ip, op }).film.frames, frames)
})

for (const [fps, frames, step, seconds] of [
  [60, 180, '1/2', 3], [15, 45, '2/1', 3], ['30000/1001', 90, '1001/1000', 3.003], [24, 72, '5/4', 3], ['24', 72, '5/4', 3], [7, 21, '30/7', 3], [29.97, 90, '1001/1000', 3.003],
]) test(`Three seconds at ${fps} frames a second are ${frames} frames, ${step} of the composition apart`, () => {
  assert.deepEqual(pick(plan({}, { fps }), 'frames', 'frame_step', 'seconds'), { frames, frame_step: step, seconds })
})

test('The duration stays when the rate changes, whatever the template counts in', () => {
  const { film } = plan({ fr: 29.97, op: 180.00000733155 }, { fps: 60 })
  assert.deepEqual([film.frames, film.composition.frames], [361, 180])
})

for (const [w, h, width, height, size, fit] of [
  [1920, 1080, null, null, [1920, 1080], { x: 0, y: 0, width: 1920, height: 1080 }],
  [141, 112, null, null, [142, 112], { x: 0, y: 0, width: 141, height: 112 }],
  [141, 111, null, null, [142, 112], { x: 0, y: 0, width: 141, height: 111 }],
  [1920, 1080, 1280, null, [1280, 720], { x: 0, y: 0, width: 1280, height: 720 }],
  [1920, 1080, null, 540, [960, 540], { x: 0, y: 0, width: 960, height: 540 }],
  [1920, 1080, 1000, 1000, [1000, 1000], { x: 0, y: 218.75, width: 1000, height: 562.5 }],
  [1080, 1920, 1920, 1080, [1920, 1080], { x: 656.25, y: 0, width: 607.5, height: 1080 }],
  [100, 100, 51, 51, [52, 52], { x: 0, y: 0, width: 51, height: 51 }],
  [3840, 2160, null, null, [3840, 2160], { x: 0, y: 0, width: 3840, height: 2160 }],
]) test(`A ${w}x${h} template asked for as ${width ?? '-'}x${height ?? '-'} makes a ${size.join('x')} picture`, () => {
  const { film } = plan({ w, h }, { width, height })
  assert.deepEqual([[film.width, film.height], film.fit], [size, fit])
})

test('A size within a pixel of the aspect leaves no seam of background', () => {
  const { fit } = plan({ w: 141, h: 112 }, { width: 71 }).film
  assert.ok(fit.x <= 0 && fit.y <= 0 && fit.x + fit.width >= 71 && fit.y + fit.height >= 56, JSON.stringify(fit))
})

for (const [what, template, request, code, named] of [
  ['no rate', { fr: 0 }, {}, 'RATE_INVALID', '0'], ['a negative rate', { fr: -5 }, {}, 'RATE_INVALID', '-5'], ['a rate in words', { fr: 'x' }, {}, 'RATE_INVALID', 'x'],
  ['an endless rate', { fr: Infinity }, {}, 'RATE_INVALID', 'Infinity'], ['an end before its start', { ip: 5, op: 5 }, {}, 'DURATION_INVALID', '5'],
  ['no end', { op: undefined }, {}, 'DURATION_INVALID', 'missing'], ['no width', { w: 0 }, {}, 'SIZE_INVALID', '0'], ['a negative height', { h: -3 }, {}, 'SIZE_INVALID', '-3'],
  ['a width of nothing asked', {}, { width: 0 }, 'SIZE_INVALID', '0'], ['a fraction asked', {}, { height: 10.5 }, 'SIZE_INVALID', '10.5'], ['a size in words', {}, { width: 'big' }, 'SIZE_INVALID', 'big'],
  ['ten hours', { op: 30 * 36000 }, {}, 'FILM_TOO_LONG', '36000'], ['too many pixels', {}, { width: 15000 }, 'FILM_TOO_LARGE', '15000'],
  ['a rate asked in words', {}, { fps: 'fast' }, 'RATE_INVALID', 'fast'], ['a rate over nothing', {}, { fps: '30/0' }, 'RATE_INVALID', '30/0'], ['a background in words', {}, { background: 'red' }, 'COLOUR_INVALID', 'red'],
]) test(`A film with ${what} is refused with a sentence that names it`, () => {
  const { errors, messages } = plan(template, request)
  assert.ok(errors.includes(code), `${code} in ${errors}`)
  assert.match(messages.join(' '), new RegExp(named.replace(/[^\w]/g, '\\$&')))
})

test('All that is wrong with a film is said at once', () => {
  assert.deepEqual(plan({ w: 0, fr: 0 }, { height: -1, background: 'x' }).errors, ['RATE_INVALID', 'SIZE_INVALID', 'SIZE_INVALID', 'COLOUR_INVALID'])
})
