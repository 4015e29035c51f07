// A template's fields: what a person may fill in. From NAME.fields.json, else every text layer's name is a text field.
import { isObject, list, objects } from './bundle.mjs'
import { findPaints, parseColour } from './colours.mjs'
import { MAX_TEXT } from './glyphs.mjs'
import { everyLayer, nameOf } from './structure.mjs'

const TYPES = ['text', 'color', 'image']

/** Puts colours and images in place; returns a Map of what came from a field: text layer -> { field, text }, image asset -> { field }. */
export function applyFields(bundle, inputs, problems) {
  const fields = declared(bundle, problems) ?? implicit(bundle.lottie)
  const filled = new Map()
  const paints = []
  if (!isObject(inputs)) {
    problems.error('BAD_REQUEST', 'The inputs are not an object of field and value.')
    return filled
  }
  const known = new Map(fields.map(field => [field.key, field]))
  for (const key of Object.keys(inputs)) {
    if (known.has(key)) continue
    const names = [...known.keys()].map(k => `'${k}'`).join(', ') || 'none'
    problems.error('UNKNOWN_FIELD', `The template has no field '${key}'. Its fields: ${names}.`, key)
  }
  for (const field of fields) {
    const value = Object.hasOwn(inputs, field.key) ? inputs[field.key] : field.default
    if (value === undefined || value === null) {
      if (field.required) problems.error('MISSING_FIELD', `The field '${field.key}' is required.`, field.key)
    } else if (typeof value !== 'string') {
      problems.error('WRONG_TYPE', `The field '${field.key}' must be a string (${field.type}), not ${JSON.stringify(value).slice(0, 40)}.`, field.key)
    } else {
      fill[field.type](bundle, field, value, { filled, paints }, problems)
    }
  }
  for (const paint of paints) paint()
  return filled
}

const fill = {
  text({ lottie }, field, value, { filled }, problems) {
    const length = [...new Intl.Segmenter('en').segment(value.slice(0, MAX_TEXT + 1))].length
    const most = Math.min(field.max_length ?? MAX_TEXT, MAX_TEXT)
    if (length > most)
      return problems.error('TOO_LONG', `The field '${field.key}' holds ${length} characters; at most ${most} fit.`, field.key)
    if (field.required && value.trim() === '')
      return problems.error('MISSING_FIELD', `The field '${field.key}' is required and must not be empty.`, field.key)
    for (const layer of everyLayer(lottie))
      if (layer.ty === 5 && nameOf(layer) === field.layer) filled.set(layer, { field: field.key, text: value })
  },

  color({ lottie }, field, value, { paints }, problems) {
    const colour = parseColour(value)
    if (!colour)
      return problems.error('COLOUR_INVALID', `The field '${field.key}' is '${value.slice(0, 40)}', not a colour such as #1f6feb or #1f6febcc.`, field.key)
    for (const target of field.targets) {
      const found = findPaints(lottie, target)
      paints.push(...found.map(paint => () => paint(colour)))
      if (found.length === 0)
        problems.warn('TARGET_MISSING', `The colour field '${field.key}' has nothing to paint at '${target}'.`, field.key)
    }
  },

  image({ lottie }, field, value, { filled }, problems) {
    if (!value.startsWith('data:'))
      return problems.error('IMAGE_INVALID', `The field '${field.key}' is not an image.`, field.key)
    for (const asset of lottie.assets)
      if (asset.id === field.asset) { Object.assign(asset, { u: '', p: value, e: 1 }); filled.set(asset, { field: field.key }) }
  },
}

function implicit(lottie) {
  const names = [...everyLayer(lottie)].filter(layer => layer.ty === 5).map(nameOf).filter(name => name !== '')
  return [...new Set(names)].map(name => ({ key: name, type: 'text', layer: name }))
}

// Mistakes of the template's author are errors too: a field that reaches nothing would swallow the person's value.
function declared({ lottie, fields }, problems) {
  if (fields === null) return null
  if (!isObject(fields) || !Array.isArray(fields.fields)) {
    problems.error('FIELDS_INVALID', 'The field file has no list of fields.')
    return []
  }
  const layers = new Set([...everyLayer(lottie)].filter(layer => layer.ty === 5).map(nameOf))
  const images = new Set(lottie.assets.filter(asset => !asset.layers).map(asset => asset.id))
  const seen = new Set()
  const wrong = message => { problems.error('FIELDS_INVALID', message); return false }
  return objects(fields.fields).map(complete).filter(field => {
    if (typeof field.key !== 'string' || field.key === '') return wrong('A field has no key.')
    if (seen.has(field.key)) return wrong(`The field '${field.key}' is declared twice.`)
    seen.add(field.key)
    if (!TYPES.includes(field.type)) return wrong(`The field '${field.key}' has the unknown type '${field.type}'; there are ${TYPES.join(', ')}.`)
    if (field.type === 'text' && !layers.has(field.layer)) return wrong(`The field '${field.key}' names the text layer '${field.layer}', which does not exist.`)
    if (field.type === 'image' && !images.has(field.asset)) return wrong(`The field '${field.key}' names the image '${field.asset}', which does not exist.`)
    if (field.type === 'color' && field.targets.length === 0) return wrong(`The colour field '${field.key}' has no targets.`)
    if (field.max_length != null && !(Number.isInteger(field.max_length) && field.max_length > 0)) return wrong(`The field '${field.key}' has the max_length ${field.max_length}.`)
    return true
  })
}

function complete(field) {
  return { ...field, layer: field.layer ?? field.key, targets: list(field.targets).filter(t => typeof t === 'string') }
}
