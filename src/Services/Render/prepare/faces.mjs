// Where outlines come from: a font file (through HarfBuzz) or the glyphs a template carries (Bodymovin chars).
// All lengths are in hundredths of the font size, y down, as Bodymovin writes them.
import * as hb from 'harfbuzzjs'
import { isObject, objects } from './bundle.mjs'

const IGNORABLE = /^[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff]$/u

/** A font file. shape() gives the clusters of one run in visual order. */
export class FontFace {
  partial = true   // it may serve some letters of a text and leave the rest to another face
  #font
  #scale
  #outlines = new Map()

  /** Null when the bytes are no font HarfBuzz can read. */
  static open(name, bytes) {
    const magic = bytes.length > 12 ? bytes.toString('latin1', 0, 4) : ''
    if (!['\0\x01\0\0', 'OTTO', 'true', 'ttcf'].includes(magic)) return null
    const face = new hb.Face(new hb.Blob(bytes))
    const font = new hb.Font(face)
    return face.upem > 0 && face.collectUnicodes().length > 0 ? new FontFace(name, face, font) : null
  }

  constructor(name, face, font) {
    this.name = name
    this.#font = font
    this.#scale = 100 / face.upem
    this.ascent = font.hExtents().ascender * this.#scale
  }

  covers(grapheme) {
    const all = text => [...text].every(c => IGNORABLE.test(c) || this.#has(c))
    return all(grapheme) || all(grapheme.normalize('NFD'))
  }

  #has(character) { return this.#font.nominalGlyph(character.codePointAt(0)) !== undefined }

  shape(text, { rtl, features = [] }) {
    const buffer = new hb.Buffer()
    buffer.addText(text)
    buffer.guessSegmentProperties()
    buffer.setDirection(rtl ? hb.Direction.RTL : hb.Direction.LTR)
    hb.shape(this.#font, buffer, features.map(([tag, on]) => new hb.Feature(tag, on)))
    const infos = buffer.getGlyphInfos()
    const positions = buffer.getGlyphPositions()
    const clusters = []
    infos.forEach(({ codepoint: glyph, cluster: at }, i) => {
      const { xAdvance, xOffset, yOffset } = positions[i]
      if (clusters.at(-1)?.at !== at) clusters.push({ at, parts: [], advance: 0 })
      const cluster = clusters.at(-1)
      // Glyph 0 is the empty box fonts show for what they lack; it was reported, and a film is no place for it.
      if (glyph !== 0) cluster.parts.push({ face: this, glyph, x: cluster.advance + xOffset * this.#scale, y: -yOffset * this.#scale })
      cluster.advance += xAdvance * this.#scale
    })
    return clusters
  }

  /** Closed contours as Bodymovin paths { c, v, i, o }. */
  outline(glyph) {
    if (!this.#outlines.has(glyph)) this.#outlines.set(glyph, contours(this.#font.glyphToJson(glyph), this.#scale))
    return this.#outlines.get(glyph)
  }
}

/** The glyphs a template carries for one font: whole characters, no kerning, no joining. */
export class CharsFace {
  partial = false  // letters of two typefaces in one word help nobody
  #chars = new Map()

  constructor(name, chars, ascent) {
    this.name = name
    this.ascent = ascent
    for (const char of chars) if (!this.#chars.has(char.ch)) this.#chars.set(char.ch, char)
  }

  // Joining scripts need other shapes than the isolated ones stored here.
  covers(grapheme) { return this.#chars.has(grapheme) && !/\p{Script=Arabic}|\p{Script=Syriac}|\p{Mn}/u.test(grapheme) }

  shape(text, { rtl }) {
    let at = 0
    const clusters = [...text].map(glyph => {
      const cluster = { at, parts: [{ face: this, glyph, x: 0, y: 0 }], advance: Number(this.#chars.get(glyph)?.w) || 0 }
      at += glyph.length
      return cluster
    })
    return rtl ? clusters.reverse() : clusters
  }

  outline(glyph) {
    const groups = objects(this.#chars.get(glyph)?.data?.shapes)
    return groups.flatMap(group => objects(group.it)).map(shape => shape.ks?.k).filter(isPath)
  }

  /** A glyph that is a little composition of its own is carried over whole. */
  composition(glyph) {
    const data = this.#chars.get(glyph)?.data
    return isObject(data) && data.refId !== undefined ? this.#chars.get(glyph) : null
  }
}

const isPath = path => isObject(path) && ['v', 'i', 'o'].every(k => Array.isArray(path[k]) && path[k].length === path.v.length)

function contours(commands, scale) {
  const found = []
  let path = null
  let pen = [0, 0]
  const curve = (first, second, end) => {
    path.o[path.o.length - 1] = [first[0] - pen[0], first[1] - pen[1]]
    path.v.push(end)
    path.i.push([second[0] - end[0], second[1] - end[1]])
    path.o.push([0, 0])
    pen = end
  }
  const between = (a, b, t) => [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t]
  for (const { type, values } of commands) {
    const points = []
    for (let i = 0; i + 1 < values.length; i += 2) points.push([values[i] * scale, -values[i + 1] * scale])
    switch (type) {
      case 'M':
        path = { c: true, v: [points[0]], i: [[0, 0]], o: [[0, 0]] }
        found.push(path)
        pen = points[0]
        break
      case 'L': curve(pen, points[0], points[0]); break
      case 'Q': curve(between(pen, points[0], 2 / 3), between(points[1], points[0], 2 / 3), points[1]); break
      case 'C': curve(points[0], points[1], points[2]); break
    }
  }
  return found.filter(p => p.v.length > 1).map(closeExactly)
}

// Fonts often return to their first point; Bodymovin paths close by themselves.
function closeExactly(path) {
  const last = path.v.length - 1
  if (path.v[0][0] === path.v[last][0] && path.v[0][1] === path.v[last][1]) {
    path.i[0] = path.i[last]
    for (const key of ['v', 'i', 'o']) path[key].pop()
  }
  return path
}
