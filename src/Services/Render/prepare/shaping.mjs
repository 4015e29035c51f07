// One paragraph: faces, directions and scripts found in logical order, shaped and reordered line by line.
import bidiFactory from 'bidi-js'

const bidi = bidiFactory()
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })
const SCRIPTS = ['Latin', 'Arabic', 'Cyrillic', 'Greek', 'Hebrew', 'Armenian', 'Georgian', 'Han', 'Hiragana', 'Katakana', 'Hangul', 'Thai', 'Devanagari', 'Bengali', 'Tamil']
  .map(name => [name, new RegExp(`^\\p{Script=${name}}`, 'u')])

const JOINED = /[\p{Script=Arabic}\p{Script=Syriac}\p{Script=Nko}\p{Script=Mongolian}\p{Script=Devanagari}\p{Script=Bengali}\u0640]/u

/** The user-visible characters of a text. */
export const graphemesOf = text => [...graphemes.segment(text)]

/**
 * Text without line breaks in it. `pick(grapheme)` names the face to set it in; `tracking` is what the engine
 * will add to every cluster.
 */
export class Paragraph {
  #units
  #levels
  #tracking
  #features

  constructor(text, pick, { tracking = 0, features = [] } = {}) {
    this.text = text
    this.#tracking = tracking
    // Letters set apart are not drawn as one: ligatures go, except those a script cannot be written without.
    this.#features = tracking === 0 ? features : [...features, ['liga', 0], ['clig', 0]]
    this.#units = new Array(text.length)
    let script = null
    for (const { segment, index } of graphemesOf(text)) {
      const face = pick(segment)
      script = scriptOf(segment) ?? script
      for (let i = index; i < index + segment.length; i++) this.#units[i] = { face, script }
    }
    const embedding = bidi.getEmbeddingLevels(text)
    this.#levels = embedding.levels
    this.rtl = (embedding.paragraphs[0]?.level ?? 0) % 2 === 1
  }

  /** Clusters of text[start, end) as they stand on the line from left to right. */
  visual(start, end) {
    return reorder(this.#runs(start, end)).flatMap(run => this.#shape(run))
  }

  /** The same clusters in reading order, for measuring. */
  logical(start = 0, end = this.text.length) {
    return this.#runs(start, end).flatMap(run => this.#shape(run).sort((a, b) => a.at - b.at))
  }

  #runs(start, end) {
    const runs = []
    for (let at = start; at < end; at++) {
      const { face, script } = this.#units[at]
      const level = this.#levels[at]
      const last = runs.at(-1)
      const same = last && last.face === face && last.level === level && (last.script === script || last.script === null)
      if (same) Object.assign(last, { end: at + 1, script })
      else runs.push({ start: at, end: at + 1, face, level, script })
    }
    return runs
  }

  #shape({ start, end, face, level }) {
    const text = this.text.slice(start, end)
    const clusters = face.shape(text, { rtl: level % 2 === 1, features: this.#features })
    for (const cluster of clusters) {
      cluster.at += start
      cluster.space = this.text[cluster.at] === ' '
      // Tracking must not tear joined letters: it is taken back here and stays between the words.
      if (JOINED.test(this.text[cluster.at])) cluster.advance -= this.#tracking
    }
    return clusters
  }
}

function scriptOf(grapheme) {
  return SCRIPTS.find(([, matches]) => matches.test(grapheme))?.[0] ?? null
}

// Rule L2 of the Unicode bidirectional algorithm: from the highest level down, reverse what stands at it or above.
function reorder(runs) {
  const levels = runs.map(run => run.level)
  const highest = Math.max(0, ...levels)
  const lowestOdd = Math.min(...levels.filter(level => level % 2 === 1), highest + 1)
  const line = [...runs]
  for (let level = highest; level >= lowestOdd; level--)
    for (let from = 0; from < line.length; from++) {
      if (line[from].level < level) continue
      let to = from
      while (to + 1 < line.length && line[to + 1].level >= level) to++
      line.splice(from, to - from + 1, ...line.slice(from, to + 1).reverse())
      from = to
    }
  return line
}
