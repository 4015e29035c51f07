// Film maths: frames, rate, size and where the composition sits in the picture.

const NTSC = [24, 30, 48, 60, 120]
const MAX_RATE = 1000
const MAX_SIDE = 16384

/** { film, frame_step }: film frame i is composition frame i * frame_step. Null when a number makes no film. */
export function planFilm(lottie, request, limits, problems) {
  const before = problems.errors.length
  const rate = rational(lottie.fr)
  if (rate === null) problems.error('RATE_INVALID', `The template's frame rate (fr) is ${say(lottie.fr)}; it must be above 0 and at most ${MAX_RATE}.`)
  const span = wholeWhereClose(lottie.op - lottie.ip)
  if (!number(lottie.ip) || !number(lottie.op) || !(span > 0))
    problems.error('DURATION_INVALID', `The template has no duration: it runs from frame ${say(lottie.ip)} to ${say(lottie.op)}.`)
  for (const [side, name] of [['w', 'width'], ['h', 'height']])
    if (!number(lottie[side]) || lottie[side] <= 0 || lottie[side] > MAX_SIDE)
      problems.error('SIZE_INVALID', `The template's ${name} is ${say(lottie[side])}; it must be between 1 and ${MAX_SIDE}.`)
  for (const side of ['width', 'height'])
    if (request[side] != null && !(Number.isInteger(request[side]) && request[side] > 0 && request[side] <= MAX_SIDE))
      problems.error('SIZE_INVALID', `The ${side} asked for is ${say(request[side])}; it must be a whole number between 1 and ${MAX_SIDE}.`)
  const filmRate = request.fps == null ? rate : rational(request.fps)
  if (request.fps != null && filmRate === null)
    problems.error('RATE_INVALID', `The frame rate asked for is ${say(request.fps)}; it must be above 0 and at most ${MAX_RATE}.`)
  const background = request.background ?? '#ffffff'
  if (typeof background !== 'string' || !/^#[0-9a-f]{6}$/i.test(background))
    problems.error('COLOUR_INVALID', `The background ${say(background)} is not a colour such as #ffffff.`)
  if (problems.errors.length > before) return null

  const step = reduce(rate.num * filmRate.den, rate.den * filmRate.num)
  const frames = count(span * step.den / step.num)
  const seconds = frames * filmRate.den / filmRate.num
  const size = place(lottie.w, lottie.h, request.width, request.height)
  if (seconds > limits.max_seconds)
    problems.error('FILM_TOO_LONG', `The film would be ${round(seconds)} seconds long; at most ${limits.max_seconds} are allowed.`)
  if (frames > limits.max_frames)
    problems.error('FILM_TOO_LONG', `The film would have ${frames} frames; at most ${limits.max_frames} are allowed.`)
  if (size.width * size.height > limits.max_pixels)
    problems.error('FILM_TOO_LARGE', `A picture of ${size.width}x${size.height} has more than ${limits.max_pixels} pixels.`)
  if (problems.errors.length > before) return null
  return {
    film: {
      width: size.width, height: size.height, frames,
      rate_num: filmRate.num, rate_den: filmRate.den, seconds,
      composition: { width: Math.ceil(lottie.w), height: Math.ceil(lottie.h), frames: count(span), rate_num: rate.num, rate_den: rate.den },
      fit: size.fit, background: background.toLowerCase(),
    },
    frame_step: `${step.num}/${step.den}`,
  }
}

/** A rate as an exact fraction: 29.97 is 30000/1001. Takes a number, "num/den" or a numeric string; null if it is no rate. */
export function rational(rate) {
  const parts = typeof rate === 'string' && /^(\d{1,9})\/(\d{1,9})$/.exec(rate.trim())
  if (parts) {
    const [num, den] = [Number(parts[1]), Number(parts[2])]
    return num > 0 && den > 0 && num / den <= MAX_RATE ? reduce(num, den) : null
  }
  const value = typeof rate === 'string' && /^\d+(\.\d+)?$/.test(rate.trim()) ? Number(rate) : rate
  if (!number(value) || !(value > 0) || value > MAX_RATE) return null
  if (Math.abs(value - Math.round(value)) < 0.0005 && Math.round(value) > 0) return { num: Math.round(value), den: 1 }
  const ntsc = NTSC.find(n => Math.abs(value - n * 1000 / 1001) < 0.005)
  if (ntsc) return { num: ntsc * 1000, den: 1001 }
  const fraction = reduce(Math.round(value * 10000), 10000)
  return fraction.num > 0 ? fraction : null
}

/** How many frames a span holds: rounded where within 0.01 of a whole number, else up. */
export function count(span) {
  return Math.max(1, Math.ceil(wholeWhereClose(span)))
}

function wholeWhereClose(span) {
  const whole = Math.round(span)
  return Math.abs(span - whole) <= 0.01 && whole > 0 ? whole : span
}

// The picture is what was asked for (or the composition), padded right and bottom to even sides.
function place(w, h, width, height) {
  const askedWidth = width ?? (height == null ? Math.ceil(w) : Math.max(1, Math.round(height * w / h)))
  const askedHeight = height ?? (width == null ? Math.ceil(h) : Math.max(1, Math.round(width * h / w)))
  const byWidth = { width: askedWidth, height: askedWidth * h / w }
  const byHeight = { width: askedHeight * w / h, height: askedHeight }
  const [inner, outer] = byWidth.height <= askedHeight ? [byWidth, byHeight] : [byHeight, byWidth]
  // Within a pixel of the same aspect a seam of background would show: fill the picture instead.
  const close = outer.width - askedWidth < 1 && outer.height - askedHeight < 1
  const shown = close ? outer : inner
  const fit = { x: (askedWidth - shown.width) / 2, y: (askedHeight - shown.height) / 2, ...shown }
  return { width: even(askedWidth), height: even(askedHeight), fit }
}

const even = n => n + n % 2
const number = value => typeof value === 'number' && Number.isFinite(value)
const round = value => Math.round(value * 100) / 100
const say = value => (value === undefined ? 'missing' : typeof value === 'number' ? String(value) : JSON.stringify(value).slice(0, 40))

function reduce(num, den) {
  let [a, b] = [num, den]
  while (b > 0) [a, b] = [b, a % b]
  return { num: num / a, den: den / a }
}
