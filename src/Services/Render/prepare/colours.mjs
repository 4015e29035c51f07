// Colour fields. A target is "#rrggbb" (every use of that colour), "Layer", or "Layer/Shape" (a group, fill or stroke by name).
import { isObject, list, objects } from './bundle.mjs'
import { everyLayer, nameOf } from './structure.mjs'
import { everyShape } from './upgrade.mjs'

const GRADIENTS = ['gf', 'gs']
const PAINTS = ['fl', 'st']

/** [r, g, b, a] from 0 to 1, or null. */
export function parseColour(text) {
  const hex = /^#([0-9a-f]{3}|[0-9a-f]{6}|[0-9a-f]{8})$/i.exec(text.trim())?.[1]
  if (!hex) return null
  const long = hex.length === 3 ? [...hex].map(c => c + c).join('') : hex
  const channel = at => (long.length > at ? parseInt(long.slice(at, at + 2), 16) / 255 : 1)
  return [channel(0), channel(2), channel(4), channel(6)]
}

/** Paints one target with a colour; returns how many places took it. */
export function recolour(lottie, target, colour) {
  const old = parseColour(target)
  if (old) return everywhere(lottie, old, colour)
  let painted = 0
  for (const layer of everyLayer(lottie)) {
    const name = nameOf(layer)
    if (name === target) painted += paintLayer(layer, null, colour)
    else if (name !== '' && target.startsWith(`${name}/`)) painted += paintLayer(layer, target.slice(name.length + 1), colour)
  }
  return painted
}

function everywhere(lottie, old, colour) {
  const same = value => list(value).length >= 3 && [0, 1, 2].every(i => Math.abs(value[i] - old[i]) < 0.004)
  let painted = 0
  for (const layer of everyLayer(lottie)) painted += paintLayer(layer, null, colour, same)
  return painted
}

const all = () => true

// `same` decides which of the layer's colours are meant; a text that is meant as a whole keeps its outline.
function paintLayer(layer, shape, colour, same = all) {
  let painted = 0
  if (layer.ty === 1 && shape === null && typeof layer.sc === 'string' && same(parseColour(layer.sc))) {
    layer.sc = '#' + colour.slice(0, 3).map(c => Math.round(c * 255).toString(16).padStart(2, '0')).join('')
    fade(layer.ks, colour[3])
    painted++
  }
  for (const item of shape === null ? everyShape(layer.shapes) : named(layer.shapes, shape)) {
    if (PAINTS.includes(item.ty)) painted += paintProperty(item.c, colour, same) && (fade({ o: item.o }, colour[3]), 1)
    else if (GRADIENTS.includes(item.ty)) painted += paintStops(item.g, colour, same)
  }
  if (layer.ty === 5 && shape === null)
    for (const { s } of objects(layer.t.d?.k)) {
      if (!isObject(s)) continue
      for (const key of same === all ? ['fc'] : ['fc', 'sc'])
        if (list(s[key]).length >= 3 && same(s[key])) { s[key] = colour.slice(0, 3); painted++ }
    }
  return painted
}

function* named(shapes, name) {
  for (const item of everyShape(shapes)) {
    if (item.nm !== name) continue
    if (item.ty === 'gr') yield* everyShape(item.it)
    else yield item
  }
}

function paintProperty(property, colour, same) {
  if (!isObject(property)) return 0
  const keyframes = objects(property.k)
  const values = keyframes.length > 0 ? keyframes.flatMap(k => [k.s, k.e]) : [property.k]
  let painted = 0
  for (const value of values) {
    if (list(value).length < 3 || !same(value)) continue
    for (let i = 0; i < 3; i++) value[i] = colour[i]
    painted = 1
  }
  return painted
}

// A gradient's first 4 * p numbers are its stops: offset, r, g, b.
function paintStops(gradient, colour, same) {
  if (!isObject(gradient) || !isObject(gradient.k)) return 0
  const keyframes = objects(gradient.k.k)
  const values = keyframes.length > 0 ? keyframes.flatMap(k => [k.s, k.e]) : [gradient.k.k]
  let painted = 0
  for (const stops of values.map(list))
    for (let at = 0; at + 3 < Math.min(stops.length, 4 * gradient.p); at += 4) {
      if (!same(stops.slice(at + 1, at + 4))) continue
      for (let i = 0; i < 3; i++) stops[at + 1 + i] = colour[i]
      painted = 1
    }
  return painted
}

// An opacity that moves keeps its movement: only a still one is scaled.
function fade(holder, alpha) {
  if (alpha < 1 && isObject(holder?.o) && typeof holder.o.k === 'number') holder.o.k *= alpha
}
