// A small vocabulary for writing Lottie by hand: values, movements, shapes, layers.

const EASES = {
  out: [[0.16, 1], [0.3, 1]],       // arrives softly
  inOut: [[0.65, 0], [0.35, 1]],
  back: [[0.34, 1.4], [0.64, 1]],   // overshoots a little
  linear: [[0.33, 0.33], [0.67, 0.67]],
}

/** A value that stays. */
export const still = k => ({ a: 0, k })

/** A value that moves: move([frame, value], [frame, value], ..., ease). */
export function move(...steps) {
  const ease = typeof steps.at(-1) === 'string' ? steps.pop() : 'out'
  const [[ox, oy], [ix, iy]] = EASES[ease]
  const list = value => (Array.isArray(value) ? value : [value])
  const k = steps.map(([t, value]) => {
    const each = n => list(value).map(() => n)
    return { t, s: list(value), o: { x: each(ox), y: each(oy) }, i: { x: each(ix), y: each(iy) } }
  })
  return { a: 1, k }
}

const value = v => (v && typeof v === 'object' && 'a' in v && 'k' in v ? v : still(v))

export const rgb = hex => [1, 3, 5].map(at => Math.round(parseInt(hex.slice(at, at + 2), 16) / 255 * 1000) / 1000)

export const transform = ({ at = [0, 0], anchor = [0, 0], scale = [100, 100], turn = 0, opacity = 100 } = {}) =>
  ({ p: value(at), a: value(anchor), s: value(scale), r: value(turn), o: value(opacity) })

export const ellipse = (w, h = w, at = [0, 0]) => ({ ty: 'el', s: value([w, h]), p: value(at) })
export const rectangle = (w, h, round = 0, at = [0, 0]) => ({ ty: 'rc', s: value([w, h]), p: value(at), r: value(round) })
export const star = (points, outer, inner, { turn = 0, round = 0 } = {}) => ({
  ty: 'sr', sy: 1, d: 1, pt: value(points), p: value([0, 0]), r: value(turn), or: value(outer), ir: value(inner), os: value(round), is: value(0),
})
export const path = (v, i, o, c = true) => ({ ty: 'sh', ks: still({ c, v, i, o }) })
export const fill = (colour, opacity = 100) => ({ ty: 'fl', nm: 'Fill', c: value([...rgb(colour), 1]), o: value(opacity), r: 1 })
export const stroke = (colour, width, opacity = 100) => ({ ty: 'st', nm: 'Stroke', c: value([...rgb(colour), 1]), o: value(opacity), w: value(width), lc: 2, lj: 2 })
export const trim = (start, end, offset = 0) => ({ ty: 'tm', s: value(start), e: value(end), o: value(offset), m: 1 })

/** A round glow or a slope of colour: stops are [offset, hex, opacity]. */
export const gradient = (stops, from, to, round = true) => ({
  ty: 'gf', nm: 'Gradient', o: still(100), r: 1, t: round ? 2 : 1, s: still(from), e: still(to),
  g: { p: stops.length, k: still([...stops.flatMap(([at, hex]) => [at, ...rgb(hex)]), ...stops.flatMap(([at, , opacity = 1]) => [at, opacity])]) },
})

export const group = (name, items, place = {}) => ({ ty: 'gr', nm: name, it: [...items, { ty: 'tr', ...transform(place), sk: still(0), sa: still(0) }] })

let frames = 0
export const lasting = n => { frames = n }
const layer = (ty, name, place, rest) =>
  ({ ddd: 0, ty, nm: name, sr: 1, ks: transform(place), ao: 0, ip: 0, op: frames, st: 0, bm: 0, ...rest })

export const shapes = (name, items, place = {}, rest = {}) => layer(4, name, place, { shapes: items, ...rest })
export const image = (name, asset, place = {}, rest = {}) => layer(2, name, place, { refId: asset, ...rest })
export const text = (name, document, animators = [], place = {}, rest = {}) => layer(5, name, place, {
  t: {
    d: { k: [{ t: 0, s: { ca: 0, tr: 0, ls: 0, lh: Math.round(document.s * 1.2), ...document, fc: rgb(document.fc) } }] },
    p: {}, m: { g: 1, a: still([0, 0]) }, a: animators,
  },
  ...rest,
})

/** Characters arrive one after the other: `from` is what each starts as; the wave runs between two frames. */
export const wave = (from, start, end) => ({
  nm: 'Arrival',
  s: { t: 0, xe: still(0), ne: still(0), a: still(100), b: 1, rn: 0, sh: 2, s: still(0), e: still(100), o: move([start, -100], [end, 100], 'inOut'), r: 1, sm: still(100) },
  a: Object.fromEntries(Object.entries(from).map(([key, v]) => [key, value(v)])),
})

export const film = ({ name, width, height, rate, layers, assets = [], fonts }) => ({
  v: '5.9.0', nm: name, fr: rate, ip: 0, op: frames, w: width, h: height, ddd: 0, assets,
  fonts: { list: fonts.map(([family, style]) => ({ fName: `${family}-${style}`, fFamily: family, fStyle: style, ascent: 75, origin: 0 })) },
  layers: layers.map((one, at) => ({ ...one, ind: at + 1 })), markers: [],
})
