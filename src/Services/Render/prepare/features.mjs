// Features that the engine does not draw: a film without them should not come as a surprise.
import { isObject, objects } from './bundle.mjs'
import { everyLayer, nameOf } from './structure.mjs'

const LAYERS = { 6: 'audio', 7: 'a video placeholder', 8: 'an image sequence', 9: 'video', 15: 'data' }
const EFFECTS = new Set([
  'ADBE Tint', 'ADBE Fill', 'ADBE Tritone', 'ADBE Drop Shadow', 'ADBE Gaussian Blur 2', 'ADBE Gaussian Blur', 'ADBE Easy Levels2',
  'ADBE Pro Levels2', 'ADBE Linear Wipe', 'ADBE Radial Wipe', 'ADBE Venetian Blinds', 'ADBE Shift Channels', 'ADBE Invert',
  'ADBE HUE SATURATION', 'ADBE Motion Tile', 'ADBE Geometry2', 'ADBE Ramp', 'ADBE Brightness & Contrast 2', 'ADBE Black&White',
  'ADBE Corner Pin', 'ADBE Displacement Map', 'ADBE Bulge', 'CC Sphere', 'CC Toner', 'ADBE Threshold2', 'ADBE Fractal Noise',
  'ADBE Slider Control', 'ADBE Color Control', 'ADBE Checkbox Control', 'ADBE Point Control', 'ADBE Angle Control', 'ADBE Layer Control',
])

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
    for (const effect of objects(layer.ef))
      if (typeof effect.mn === 'string' && !EFFECTS.has(effect.mn) && !effect.mn.startsWith('Pseudo/'))
        problems.warn('EFFECT_IGNORED', `The layer '${name}' uses the effect '${effect.nm ?? effect.mn}', which may not be drawn.`)
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
