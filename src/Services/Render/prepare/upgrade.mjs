// What players do when they load a file of an older exporter, and Skottie does not.
import { isObject, list, objects } from './bundle.mjs'
import { everyLayer } from './structure.mjs'

/** Brings an old file up to what the current format says, in place. */
export function upgrade(lottie) {
  const version = parse(lottie.v)
  for (const layer of everyLayer(lottie)) {
    if (older(version, [4, 1, 9])) scaleColours(layer)
    if (older(version, [4, 4, 14]) && layer.ty === 5) keyframeText(layer)
    if (older(version, [4, 4, 18])) closePaths(layer)
    if (older(version, [5, 7, 15]) && layer.ty === 5) wrapPathOptions(layer)
  }
}

/** [major, minor, patch]; a file that does not say is taken for a current one, as players do. */
function parse(text) {
  const found = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(typeof text === 'string' ? text : '')
  return found ? [Number(found[1]), Number(found[2]), Number(found[3] ?? 0)] : [100, 0, 0]
}

function older(version, limit) {
  const at = version.findIndex((part, i) => part !== limit[i])
  return at >= 0 && version[at] < limit[at]
}

/** Every item of a shape tree, groups before what they hold. */
export function* everyShape(items) {
  for (const item of objects(items)) {
    yield item
    if (item.ty === 'gr') yield* everyShape(item.it)
  }
}

// Before 4.1.9 fills and strokes counted colours from 0 to 255.
function scaleColours(layer) {
  for (const { ty, c } of everyShape(layer.shapes)) {
    if ((ty !== 'fl' && ty !== 'st') || !isObject(c)) continue
    const keyframes = objects(c.k)
    if (keyframes.length > 0) for (const k of keyframes) { unit(k.s); unit(k.e) }
    else unit(c.k)
  }
}

function unit(colour) {
  for (let i = 0; i < Math.min(4, list(colour).length); i++) colour[i] /= 255
}

// Before 4.4.14 the text document had no keyframes.
function keyframeText(layer) {
  const document = layer.t.d
  if (isObject(document) && document.k === undefined) layer.t.d = { k: [{ s: document, t: 0 }] }
}

// Before 4.4.18 the shape said whether its path is closed; now every path says so itself.
function closePaths(layer) {
  for (const shape of everyShape(layer.shapes)) if (shape.ty === 'sh') close(shape.ks, shape.closed)
  for (const mask of objects(layer.masksProperties)) close(mask.pt, mask.cl)
}

function close(property, closed) {
  if (!isObject(property) || closed === undefined) return
  if (isObject(property.k)) { property.k.c = closed; return }
  for (const keyframe of objects(property.k))
    for (const path of [...objects(keyframe.s), ...objects(keyframe.e)]) path.c = closed
}

// Before 5.7.15 the numbers of a text path were plain.
function wrapPathOptions(layer) {
  const path = layer.t.p
  if (!isObject(path)) return
  for (const key of ['a', 'p', 'r']) if (typeof path[key] === 'number') path[key] = { a: 0, k: path[key] }
}
