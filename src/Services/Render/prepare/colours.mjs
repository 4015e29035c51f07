// Colour fields. A target is "#rrggbb" (every use of that colour), "Layer", or "Layer/Shape" (a group, fill, stroke or gradient by name).
import { isObject, list, objects } from './bundle.mjs'
import { everyLayer, nameOf } from './structure.mjs'
import { everyShape } from './upgrade.mjs'

/** [r, g, b, a] from 0 to 1, or null. */
export function parseColour(text) {
  const hex = /^#([0-9a-f]{3}|[0-9a-f]{6}|[0-9a-f]{8})$/i.exec(String(text).trim())?.[1]
  if (!hex) return null
  const long = hex.length === 3 ? [...hex].map(c => c + c).join('') : hex
  const channel = at => (long.length > at ? parseInt(long.slice(at, at + 2), 16) / 255 : 1)
  return [channel(0), channel(2), channel(4), channel(6)]
}

/**
 * The places a target means, as functions that paint one place with a colour. Finding comes before painting:
 * two fields that swap their colours must not see each other's work.
 */
export function findPaints(lottie, target) {
  const old = parseColour(target)
  const same = value => list(value).length >= 3 && [0, 1, 2].every(i => Math.abs(value[i] - old[i]) < 0.004)
  const found = []
  for (const layer of everyLayer(lottie)) {
    const name = nameOf(layer)
    if (old) found.push(...inLayer(layer, layer.shapes, same), ...inText(layer, ['fc', 'sc'], same))
    else if (name === target) found.push(...inLayer(layer, layer.shapes, any), ...inText(layer, ['fc'], any))
    else if (name !== '' && target.startsWith(`${name}/`)) found.push(...inShapes(named(layer.shapes, target.slice(name.length + 1)), any))
  }
  return found
}

const any = value => list(value).length >= 3

function* inLayer(layer, items, same) {
  const solid = layer.ty === 1 && parseColour(layer.sc)
  if (solid && same(solid))
    yield colour => {
      layer.sc = '#' + colour.slice(0, 3).map(c => Math.round(c * 255).toString(16).padStart(2, '0')).join('')
      fade(layer.ks, colour[3])
    }
  yield* inShapes(everyShape(items), same)
}

function* inShapes(items, same) {
  for (const item of items) {
    if (item.ty === 'fl' || item.ty === 'st') {
      const places = valuesOf(item.c).filter(same)
      if (places.length > 0)
        yield colour => {
          for (const value of places) for (let i = 0; i < 3; i++) value[i] = colour[i]
          fade(item, colour[3])
        }
    } else if ((item.ty === 'gf' || item.ty === 'gs') && isObject(item.g)) {
      yield* inStops(item.g, same)
    }
  }
}

// A gradient's first 4 * p numbers are its stops: offset, r, g, b.
function* inStops(gradient, same) {
  for (const stops of valuesOf(gradient.k))
    for (let at = 0; at + 3 < Math.min(stops.length, 4 * gradient.p); at += 4)
      if (same(stops.slice(at + 1, at + 4)))
        yield colour => { for (let i = 0; i < 3; i++) stops[at + 1 + i] = colour[i] }
}

function* inText(layer, keys, same) {
  if (layer.ty !== 5) return
  for (const { s } of objects(layer.t.d?.k))
    for (const key of keys)
      if (isObject(s) && same(s[key])) yield colour => { s[key] = colour.slice(0, 3) }
}

function* named(shapes, name) {
  for (const item of everyShape(shapes)) {
    if (item.nm !== name) continue
    if (item.ty === 'gr') yield* everyShape(item.it)
    else yield item
  }
}

// The arrays of a property: its value, or those of its keyframes.
function valuesOf(property) {
  if (!isObject(property)) return []
  const keyframes = objects(property.k)
  return (keyframes.length > 0 ? keyframes.flatMap(k => [k.s, k.e]) : [property.k]).filter(Array.isArray)
}

// An opacity that moves keeps its movement: only a still one is scaled.
function fade(holder, alpha) {
  if (alpha < 1 && isObject(holder?.o) && typeof holder.o.k === 'number') holder.o.k *= alpha
}
