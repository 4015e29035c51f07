// Bakes every text of a template: shaped once, here, so that the nodes need neither fonts nor a shaper.
import { isObject, objects } from './bundle.mjs'
import { Fonts, sameName } from './fonts.mjs'
import { GlyphBook, MAX_TEXT } from './glyphs.mjs'
import { breakLines } from './lines.mjs'
import { mirrorSelectors } from './selectors.mjs'
import { graphemesOf, Paragraph } from './shaping.mjs'
import { everyLayer, nameOf } from './structure.mjs'

const MAX_ALL_TEXT = 300_000
const BREAK = /\r\n|[\r\n\u0003\u000b\u000c\u0085\u2028\u2029]/
const CONTROL = /[\u0000-\u0008\u000e-\u001f\u007f]/g

/** Sets the field texts and turns all documents into private-use text with baked glyphs. */
export function bakeTexts(bundle, filled, problems) {
  const { lottie } = bundle
  let total = 0
  const fonts = new Fonts(bundle, problems)
  const book = new GlyphBook()
  for (const layer of everyLayer(lottie)) {
    if (layer.ty !== 5) continue
    const set = filled.get(layer)
    const documents = objects(layer.t.d?.k).map(keyframe => keyframe.s).filter(isDocument)
    const mirrored = documents.map(document => {
      const where = { field: set?.field ?? null, name: set ? `the field '${set.field}'` : `the layer '${nameOf(layer)}'` }
      const text = set?.text ?? document.t
      total += text.length
      if (text.length <= MAX_TEXT && total <= MAX_ALL_TEXT) return bakeDocument(document, text, where, fonts, book, problems)
      problems.error('TEXT_TOO_LONG', `The text of ${where.name} is too long: at most ${MAX_TEXT} characters in one text, ${MAX_ALL_TEXT} in a template.`, where.field)
      return false
    })
    if (mirrored.length > 0 && mirrored.every(one => one)) mirrorSelectors(layer)
  }
  book.writeTo(lottie)
}

const isDocument = s => isObject(s) && typeof s.f === 'string' && typeof s.t === 'string' && Number.isFinite(s.s) && s.s > 0

// True when the whole document is one line read from right to left.
function bakeDocument(document, text, where, fonts, book, problems) {
  const { entry, pick } = choose(fonts.forName(document.f), clean(document, text), where, problems)
  const scale = 100 / document.s
  const box = boxOf(document)
  const tracking = Number.isFinite(document.tr) ? document.tr / 10 : 0
  const features = document.ca === 2 ? [['smcp', 1]] : []
  const paragraphs = clean(document, text).split(BREAK).map(line => new Paragraph(line, pick, { tracking, features }))
  const lines = paragraphs.flatMap(paragraph => {
    const ranges = breakLines(paragraph, box && box.width * scale, tracking)
    return ranges.map(([start, end], i) => ({ clusters: paragraph.visual(start, end), last: i === ranges.length - 1, rtl: paragraph.rtl }))
  })
  const justification = justify(document, lines, box && box.width * scale, tracking)
  const font = book.fontFor(entry, lines.reduce((sum, line) => sum + line.clusters.length, 0))
  document.t = lines.map(line => write(line.clusters, font, book)).join('\r')
  document.f = font.name
  document.ca = 0
  document.j = justification
  if (!(document.lh > 0)) document.lh = document.s * 1.2
  if (box) fitBox(document, box, lines, where, entry, problems)
  return lines.length === 1 && lines[0].rtl
}

function clean(document, text) {
  const plain = text.replace(/\t/g, ' ').replace(CONTROL, c => (c === '\u0003' ? c : '')).normalize('NFC')
  return document.ca === 1 ? plain.toUpperCase() : plain
}

function choose({ entry, own, others, house }, text, where, problems) {
  const units = graphemesOf(text).map(g => g.segment).filter(g => g.trim() !== '')
  const usable = [...own.filter(face => face.partial || units.every(unit => face.covers(unit))), ...others]
  const first = units.length === 0 ? usable[0] ?? house()[0] : null
  const picked = new Map()
  const told = new Set()
  const pick = unit => {
    if (first) return first
    if (!picked.has(unit)) picked.set(unit, find(unit))
    return picked.get(unit)
  }
  const find = unit => {
    const face = usable.find(f => f.covers(unit))
    if (face) return face
    const spare = house().find(f => f.covers(unit))
    if (unit.trim() === '' && spare) return usable[0]?.covers(' ') ? usable[0] : spare
    if (spare) {
      const why = own.some(face => face.partial) ? `lacks the letter '${unit}'` : 'is not in the template'
      if (!sameName(entry, spare) && !told.has(spare)) problems.warn('FONT_SUBSTITUTED', `The font '${entry.fName}' ${why}; ${where.name} is set in '${spare.name}'.`, where.field)
      told.add(spare)
      return spare
    }
    const code = unit.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')
    const message = `No font has the character '${unit}' (U+${code}) of ${where.name}.`
    if (where.field === null) problems.warn('MISSING_GLYPH', message)
    else problems.error('MISSING_GLYPH', message, where.field)
    return usable.find(f => f.partial) ?? house()[0]
  }
  return { entry, pick }
}

function boxOf({ sz, ps }) {
  const numbers = value => Array.isArray(value) && value.length === 2 && value.every(Number.isFinite)
  if (!numbers(sz) || sz[0] <= 0 || sz[1] <= 0) return null
  return { width: sz[0], height: sz[1], x: numbers(ps) ? ps[0] : 0, y: numbers(ps) ? ps[1] : 0 }
}

const widthOf = (clusters, tracking) => clusters.reduce((sum, c) => sum + c.advance + tracking, -tracking)

// 0 left, 1 right, 2 centre are the engine's; 3 to 6 (justified, the last line left, right, centre, full) are made of wider gaps.
function justify({ j }, lines, width, tracking) {
  if (!(j >= 3) || width === null) return [0, 1, 2, 0, 1, 2, 0][j] ?? 0
  for (const { clusters, last } of lines) {
    const gaps = clusters.filter(c => c.space).length
    const room = width - widthOf(clusters, tracking)
    if (gaps === 0 || room <= 0 || (last && j !== 6)) continue
    for (const cluster of clusters) if (cluster.space) cluster.advance += room / gaps
  }
  return [0, 1, 2, 0][j - 3] ?? 0
}

// A space stays a space, so that word selectors find the words; what it is wider than the font's space goes to the cluster before it.
function write(clusters, font, book) {
  const written = []
  for (const cluster of clusters) {
    if (!cluster.space) { written.push({ parts: visible(cluster.parts), advance: cluster.advance }); continue }
    const extra = cluster.advance - book.space(font, cluster.advance)
    if (Math.abs(extra) > 0.0005) {
      if (written.length === 0) written.push({ parts: [], advance: 0 })
      written.at(-1).advance += extra
    }
    written.push(null)
  }
  return written
    .filter(one => one === null || one.parts.length > 0 || Math.abs(one.advance) > 0.0005)
    .map(one => (one === null ? ' ' : book.character(font, one.parts, one.advance)))
    .join('')
}

const visible = parts => parts.filter(({ face, glyph }) => face.composition?.(glyph) || face.outline(glyph).length > 0)

// Lines are already broken: the box is only kept wide enough that the engine does not break them again.
function fitBox(document, box, lines, where, entry, problems) {
  const ascent = Number.isFinite(entry.ascent) ? entry.ascent : 75
  const height = ascent * document.s / 100 + (lines.length - 1) * document.lh
  if (where.field !== null && height > box.height + 1)
    problems.warn('TEXT_OVERFLOWS_BOX', `The text of ${where.name} needs ${lines.length} lines, more than its box can show.`, where.field)
  const widest = Math.max(...lines.map(line => widthOf(line.clusters, 0))) * document.s / 100
  const extra = Math.max(0, widest + 1 - box.width)
  if (extra === 0) return
  document.sz = [box.width + extra, box.height]
  document.ps = [box.x - extra * [0, 1, 0.5][document.j], box.y]
}
