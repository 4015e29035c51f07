// Where a paragraph breaks into lines of a box. Widths are in hundredths of the font size.

const SPACE = /[ \u200b]/
const HYPHEN = /[-\u2010\u2013\u2014\u058a\u05be]/
const IDEOGRAPH = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u

/** [start, end) of each line, spaces at the breaks left out. Without a width the paragraph is one line. */
export function breakLines(paragraph, width, tracking) {
  const { text } = paragraph
  if (width === null) return [trim(text, 0, text.length)]
  const clusters = paragraph.logical()
  const lines = []
  let start = 0        // text position where the line begins
  let used = 0         // width since start
  let chance = null    // last place to break: { at, used }
  for (const [i, { at, advance, space }] of clusters.entries()) {
    const end = clusters[i + 1]?.at ?? text.length
    const overflows = !space && used + advance > width + 0.01 && at > start
    if (overflows) {
      // A word longer than the box breaks where it must.
      const cut = chance ?? { at, used }
      lines.push(trim(text, start, cut.at))
      used -= cut.used
      start = cut.at
      chance = null
    }
    used += advance + tracking
    if (end < text.length && mayBreak(text, end)) chance = { at: end, used }
  }
  lines.push(trim(text, start, text.length))
  return lines
}

function mayBreak(text, at) {
  const [before, after] = [text[at - 1], text[at]]
  if (SPACE.test(after)) return false
  if (SPACE.test(before)) return true
  if (HYPHEN.test(before)) return at > 1 && !SPACE.test(text[at - 2]) && !/\p{Nd}/u.test(after)
  return IDEOGRAPH.test(before) && /[\p{L}\p{N}]/u.test(after) || IDEOGRAPH.test(after) && /[\p{L}\p{N}]/u.test(before)
}

function trim(text, start, end) {
  while (end > start && SPACE.test(text[end - 1])) end--
  return [start, end]
}
