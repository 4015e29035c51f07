// Reads a bundle and refuses what could hurt whoever walks it: size, depth, prototype keys.
import { readFileSync, statSync } from 'node:fs'

const MAX_DEPTH = 256
const TRAPS = ['__proto__', 'toString', 'valueOf']   // a value that cannot be printed would break every sentence about it

/** The bundle's { lottie, fields, assets, fonts }, or null when it cannot be read at all. */
export function readBundle(path, limits, problems) {
  let text
  try {
    const { size } = statSync(path)
    if (size > limits.max_template_bytes) {
      problems.error('TEMPLATE_TOO_LARGE', `The template has ${size} bytes; at most ${limits.max_template_bytes} are allowed.`)
      return null
    }
    text = readFileSync(path, 'utf8')
  } catch (e) {
    problems.error('TEMPLATE_UNREADABLE', `The template cannot be read: ${e.code ?? e.message}.`)
    return null
  }
  let bundle
  try {
    bundle = JSON.parse(text)
  } catch (e) {
    problems.error('TEMPLATE_NOT_JSON', `The template is not JSON: ${e.message}.`)
    return null
  }
  if (!isObject(bundle) || !isObject(bundle.lottie)) {
    problems.error('TEMPLATE_NOT_LOTTIE', 'The template is not a Lottie file: it is not a JSON object.')
    return null
  }
  if (!tame(bundle)) {
    problems.error('TEMPLATE_TOO_DEEP', `The template nests deeper than ${MAX_DEPTH} levels.`)
    return null
  }
  return {
    lottie: bundle.lottie,
    fields: bundle.fields ?? null,
    assets: isObject(bundle.assets) ? bundle.assets : {},
    fonts: isObject(bundle.fonts) ? bundle.fonts : {},
  }
}

export const isObject = value => value !== null && typeof value === 'object' && !Array.isArray(value)
export const list = value => (Array.isArray(value) ? value : [])
export const objects = value => list(value).filter(isObject)

// Without recursion: the depth is what is being judged.
function tame(root) {
  let level = [root]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return false
    const next = []
    for (const node of level) {
      for (const key of TRAPS) if (Object.hasOwn(node, key)) delete node[key]
      for (const value of Array.isArray(node) ? node : Object.values(node))
        if (value !== null && typeof value === 'object') next.push(value)
    }
    level = next
  }
  return true
}
