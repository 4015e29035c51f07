// Baked text stands in visual order. A range selector counts in reading order, so for a line
// read from right to left it is turned round: what it did to the first letter it does to the first letter still.
import { isObject, list, objects } from './bundle.mjs'

const PERCENT = 1
const LINES = 4
const TURNED = { 2: 3, 3: 2 }   // ramp up, ramp down

/** Mirrors the range selectors of a text layer's animators, in place. */
export function mirrorSelectors(layer) {
  for (const { s: selector } of objects(layer.t.a)) {
    if (!isObject(selector) || (selector.r ?? PERCENT) !== PERCENT || selector.b === LINES) continue
    const { s, e } = selector
    selector.s = turned(e, value => 100 - value, 0)
    selector.e = turned(s, value => 100 - value, 100)
    if (selector.o !== undefined) selector.o = turned(selector.o, value => -value, 0)
    if (Object.hasOwn(TURNED, selector.sh)) selector.sh = TURNED[selector.sh]
  }
}

function turned(property, turn, missing) {
  if (!isObject(property)) return { a: 0, k: missing }
  const value = v => (Array.isArray(v) ? v.map(value) : Number.isFinite(v) ? turn(v) : v)
  const keyframes = objects(property.k)
  if (keyframes.length === 0) return { ...property, k: value(property.k) }
  return {
    ...property,
    k: list(property.k).map(k => (isObject(k) ? { ...k, ...(k.s !== undefined && { s: value(k.s) }), ...(k.e !== undefined && { e: value(k.e) }) } : k)),
  }
}
