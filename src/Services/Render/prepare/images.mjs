// Images become data: URIs inside the template. Skia skips a missing or broken one silently, so it is caught here.
import { everyLayer } from './structure.mjs'
import { inspect } from './pictures.mjs'

const SOUND = /\.(mp3|wav|m4a|aac|ogg)$/i

/** Embeds every image asset from the bundle and judges what is inside. */
export function embedImages({ lottie, assets }, problems) {
  const used = new Set([...everyLayer(lottie)].map(layer => layer.refId))
  const files = new Map(Object.entries(assets).map(([path, data]) => [tidyPath(path), data]))
  for (const asset of lottie.assets) {
    const { field = null } = asset
    delete asset.field
    if (asset.layers || typeof asset.p !== 'string') continue
    if (SOUND.test(asset.p) || asset.p.startsWith('data:audio')) {
      problems.warn('SOUND_IGNORED', `The template's sound '${show(asset)}' is not played.`)
      continue
    }
    const complain = (code, message) =>
      used.has(asset.id) ? problems.error(code, message, field) : problems.warn(code, message, field)
    const uri = asset.p.startsWith('data:') ? asset.p : files.get(tidyPath(`${asset.u ?? ''}${asset.p}`)) ?? files.get(tidyPath(asset.p))
    if (typeof uri !== 'string') {
      complain('MISSING_IMAGE', `The image '${show(asset)}' is not in the template.`)
      continue
    }
    const name = field === null ? `The image '${show(asset)}'` : `The image of the field '${field}'`
    const picture = inspect(uri)
    if (picture.problem) complain('IMAGE_INVALID', `${name} ${picture.problem}.`)
    else Object.assign(asset, { u: '', p: `data:${picture.type};base64,${picture.base64}`, e: 1 })
  }
}

const tidyPath = path => String(path).replace(/\\/g, '/').replace(/\/+/g, '/').replace(/^(\.?\/)+/, '')

const show = asset => (asset.p.startsWith('data:') ? asset.id : `${asset.u ?? ''}${asset.p}`).toString().slice(0, 120)
