// Features that the engine does not draw: a film without them should not come as a surprise.
import { isObject, objects } from './bundle.mjs'
import { everyLayer, nameOf } from './structure.mjs'

const LAYERS = { 7: 'a video placeholder', 8: 'an image sequence', 9: 'video', 15: 'data' }
// What Skottie draws, by match name or else by type; controls draw nothing themselves.
const EFFECTS = new Set([
  'ADBE Black&White', 'ADBE Brightness & Contrast 2', 'ADBE Bulge', 'ADBE Corner Pin', 'ADBE Displacement Map', 'ADBE Drop Shadow', 'ADBE Easy Levels2',
  'ADBE Fill', 'ADBE Fractal Noise', 'ADBE Gaussian Blur 2', 'ADBE Geometry2', 'ADBE HUE SATURATION', 'ADBE Invert', 'ADBE Linear Wipe', 'ADBE Motion Blur',
  'ADBE Pro Levels2', 'ADBE Radial Wipe', 'ADBE Ramp', 'ADBE Sharpen', 'ADBE Shift Channels', 'ADBE Threshold2', 'ADBE Tile', 'ADBE Tint', 'ADBE Tritone',
  'ADBE Venetian Blinds', 'CC Sphere', 'CC Toner', 'SkSL Color Filter', 'SkSL Shader',
])
const EFFECT_TYPES = new Set([20, 21, 23, 25, 26, 29])
const CONTROL = /^ADBE .* Control$|^Pseudo\//
const STYLES = new Set([1, 2, 3, 4])   // drop shadow, inner shadow, outer glow, inner glow

/** Warns once per layer and feature. */
export function checkFeatures(lottie, problems) {
  const assets = new Set(lottie.assets.map(asset => asset.id))
  for (const layer of everyLayer(lottie)) {
    const name = nameOf(layer) || `number ${layer.ind ?? '?'}`
    if (hasExpression(layer))
      problems.warn('EXPRESSION_IGNORED', `The layer '${name}' uses an expression; its value at export is used instead.`)
    if (Object.hasOwn(LAYERS, layer.ty))
      problems.warn('LAYER_IGNORED', `The layer '${name}' is ${LAYERS[layer.ty]}, which is not drawn.`)
    if ((layer.ty === 0 || layer.ty === 2) && !assets.has(layer.refId))
      problems.warn('MISSING_ASSET', `The layer '${name}' shows the asset '${layer.refId}', which the template does not have; it stays empty.`)
    if (layer.ty === 5 && isObject(layer.t.p) && layer.t.p.m !== undefined)
      problems.warn('TEXT_PATH_IGNORED', `The text of the layer '${name}' follows a path; it is drawn on a straight line.`)
    for (const { mn, nm, ty } of objects(layer.ef))
      if (!EFFECTS.has(mn) && !EFFECT_TYPES.has(ty) && !CONTROL.test(mn ?? ''))
        problems.warn('EFFECT_IGNORED', `The layer '${name}' uses the effect '${nm ?? mn ?? ty}', which is not drawn.`)
    for (const { nm, ty } of objects(layer.sy))
      if (!STYLES.has(ty)) problems.warn('STYLE_IGNORED', `The layer '${name}' uses the layer style '${nm ?? ty}', which is not drawn.`)
  }
}

// An expression is a string `x` beside the value it replaces.
function hasExpression(node) {
  if (typeof node.x === 'string' && Object.hasOwn(node, 'k')) return true
  for (const key in node) {
    const value = node[key]
    if (value !== null && typeof value === 'object' && hasExpression(value)) return true
  }
  return false
}
