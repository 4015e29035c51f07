// The glyphs baked into a template: one private-use character per cluster, font by font.

const FIRST = 0xe000
const LAST = 0xf8ff   // Skottie keys glyphs with 16 bits: the private planes above are out of reach

/** The longest text: each of its characters may need a private one of its own, in one font. */
export const MAX_TEXT = 6000

/** The fonts and chars a baked template ends with. */
export class GlyphBook {
  #fonts = []
  #faces = new Map()

  /** A baked font for documents set in `entry`, with room for one more text of `length` clusters. */
  fontFor(entry, length) {
    const known = this.#fonts.filter(font => font.entry.fName === entry.fName)
    const roomy = known.find(font => FIRST + font.chars.size + length <= LAST)
    if (roomy) return roomy
    const number = this.#fonts.length + 1
    const font = {
      entry,
      name: known.length === 0 ? entry.fName : `${entry.fName} ${known.length + 1}`,
      family: `Baked ${number}`, chars: new Map(), space: null,
    }
    this.#fonts.push(font)
    return font
  }

  /** The character that draws a cluster of parts { face, glyph, x, y } and moves on by `advance`. */
  character(font, parts, advance) {
    const key = JSON.stringify([tidy(advance), ...parts.map(p => [this.#number(p.face), p.glyph, tidy(p.x), tidy(p.y)])])
    if (!font.chars.has(key)) {
      const ch = String.fromCharCode(FIRST + font.chars.size)
      font.chars.set(key, { ch, size: 100, style: 'Regular', w: tidy(advance), ...drawing(parts), fFamily: font.family })
    }
    return font.chars.get(key).ch
  }

  /** The width of this font's space; the first text set in it decides. */
  space(font, advance) { return font.space ??= tidy(advance) }

  /** Writes the template's font list and chars. */
  writeTo(lottie) {
    lottie.fonts = { list: this.#fonts.map(({ entry, name, family }) => ({ ...entry, fName: name, fFamily: family, fStyle: 'Regular', origin: 0, fPath: '' })) }
    lottie.chars = this.#fonts.flatMap(font => [
      { ch: ' ', size: 100, style: 'Regular', w: font.space ?? 25, data: {}, fFamily: font.family },
      ...font.chars.values(),
    ])
  }

  #number(face) {
    if (!this.#faces.has(face)) this.#faces.set(face, this.#faces.size)
    return this.#faces.get(face)
  }
}

function drawing(parts) {
  const whole = parts.length === 1 && parts[0].face.composition?.(parts[0].glyph)
  if (whole) return { t: 1, data: whole.data }
  const paths = parts.flatMap(({ face, glyph, x, y }) => face.outline(glyph).map(path => moved(path, x, y)))
  return { data: paths.length === 0 ? {} : { shapes: [{ ty: 'gr', it: paths.map(k => ({ ty: 'sh', ks: { a: 0, k } })) }] } }
}

function moved(path, x, y) {
  const rounded = points => points.map(([a, b]) => [tidy(a), tidy(b)])
  return { c: path.c !== false, v: path.v.map(([a, b]) => [tidy(a + x), tidy(b + y)]), i: rounded(path.i), o: rounded(path.o) }
}

const tidy = value => Math.round(value * 1000) / 1000 || 0
