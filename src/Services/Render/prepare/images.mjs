// Images become data: URIs inside the template. Skia skips a missing or broken one silently, so it is caught here.
import { isSound } from './sounds.mjs'
import { everyLayer } from './structure.mjs'
import { inspect } from './pictures.mjs'

const AUDIO = 6

/** Embeds every image asset from the bundle and judges what is inside; `filled` tells which field an asset comes from. */
export function embedImages({ lottie, assets }, filled, problems) {
  const used = new Set([...everyLayer(lottie)].filter(layer => layer.ty !== AUDIO).map(layer => layer.refId))
  const files = new Map(Object.entries(assets).map(([path, data]) => [tidyPath(path), data]))
  for (const asset of lottie.assets) {
    const field = filled.get(asset)?.field ?? null
    if (asset.layers || typeof asset.p !== 'string') continue
    const name = field === null ? `The image '${show(asset)}'` : `The image of the field '${field}'`
    // Sounds are played, not drawn.
    if (!used.has(asset.id) && isSound(asset)) continue
    const complain = (code, message) =>
      used.has(asset.id) ? problems.error(code, message, field) : problems.warn(code, message, field)
    const uri = asset.p.startsWith('data:') ? asset.p : files.get(tidyPath(`${asset.u ?? ''}${asset.p}`)) ?? files.get(tidyPath(asset.p))
    if (typeof uri !== 'string') {
      complain('MISSING_IMAGE', `${name} is not in the template.`)
      empty(asset)
      continue
    }
    const picture = inspect(uri)
    if (picture.problem) {
      complain('IMAGE_INVALID', `${name} ${picture.problem}.`)
      empty(asset)
    } else Object.assign(asset, { u: '', p: `data:${picture.type};base64,${picture.base64}`, e: 1 })
  }
}

// No path may reach the engine: it would look for it on the node's disk.
const empty = asset => Object.assign(asset, { u: '', p: '', e: 1 })

const tidyPath = path => String(path).replace(/\\/g, '/').replace(/\/+/g, '/').replace(/^(\.?\/)+/, '')

const show = asset => String(asset.p.startsWith('data:') ? asset.id : `${asset.u ?? ''}${asset.p}`).slice(0, 120)
