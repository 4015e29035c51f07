// Is it a Lottie file that can be walked? Cycles and expansion bombs among its pre-compositions are found here.
import { isObject, list, objects } from './bundle.mjs'

const MAX_LAYERS = 100_000

/** True when the layers and assets have the shape the later steps rely on. */
export function checkStructure(lottie, problems) {
  const before = problems.errors.length
  if (!Array.isArray(lottie.layers))
    problems.error('TEMPLATE_NOT_LOTTIE', 'The template is not a Lottie file: it has no list of layers.')
  else if (objects(lottie.layers).length === 0)
    problems.error('NO_LAYERS', 'The template has no layers: there is nothing to draw.')
  if (lottie.assets !== undefined && !Array.isArray(lottie.assets))
    problems.error('TEMPLATE_INVALID', 'The template\'s assets are not a list.')
  if (problems.errors.length > before) return false

  // Anything that is no object here is dropped, so that no later step has to ask.
  lottie.layers = objects(lottie.layers)
  lottie.assets = objects(lottie.assets)
  for (const asset of lottie.assets) if (asset.layers !== undefined) asset.layers = objects(asset.layers)
  for (const layer of everyLayer(lottie)) tidy(layer)
  if (!isObject(lottie.fonts)) delete lottie.fonts
  lottie.chars = objects(lottie.chars)
  checkPrecomps(lottie, problems)
  return problems.errors.length === before
}

/** Every layer of the composition and of its pre-compositions, once each. */
export function* everyLayer(lottie) {
  yield* lottie.layers
  for (const asset of lottie.assets) yield* list(asset.layers)
}

export const nameOf = layer => (typeof layer.nm === 'string' ? layer.nm : '')

// Layers come from anywhere: parts of the wrong type are taken out, as players ignore them.
function tidy(layer) {
  for (const key of ['shapes', 'masksProperties', 'ef'])
    if (layer[key] !== undefined) layer[key] = objects(layer[key])
  if (layer.ty === 5 && !isObject(layer.t)) layer.t = {}
}

function checkPrecomps(lottie, problems) {
  const comps = new Map(lottie.assets.filter(a => a.layers).map(a => [a.id, a.layers]))
  const sizes = new Map()
  const open = new Set()
  let cycle = false

  const sizeOf = layers => {
    let size = layers.length
    for (const layer of layers) {
      const id = layer.refId
      if (layer.ty !== 0 || !comps.has(id) || cycle) continue
      if (open.has(id)) {
        cycle = true
        problems.error('PRECOMP_CYCLE', `The pre-composition '${id}' contains itself.`)
        break
      }
      if (!sizes.has(id)) {
        open.add(id)
        if (open.size > 200) { cycle = true; problems.error('TEMPLATE_TOO_DEEP', 'Pre-compositions nest deeper than 200 levels.'); break }
        sizes.set(id, sizeOf(comps.get(id)))
        open.delete(id)
      }
      size += sizes.get(id)
    }
    return size
  }

  const total = sizeOf(lottie.layers)
  if (!cycle && total > MAX_LAYERS)
    problems.error('TEMPLATE_TOO_COMPLEX', `The template unfolds to ${total} layers; at most ${MAX_LAYERS} are allowed.`)
}
