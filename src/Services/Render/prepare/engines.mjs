// What draws the film. The house's engine unless the field file names another, which some nodes have (a command line: aerender ...).
import { isObject, objects } from './bundle.mjs'

export const HOUSE_ENGINE = 'skottie'

export function engineOf({ fields }, plan, problems) {
  const engine = (isObject(fields) ? fields.engine : null) ?? HOUSE_ENGINE
  if (typeof engine !== 'string' || !/^[a-z][a-z0-9_-]{0,31}$/.test(engine)) {
    problems.error('FIELDS_INVALID', `The engine ${JSON.stringify(engine).slice(0, 40)} is no name such as aerender.`)
    return HOUSE_ENGINE
  }
  if (engine === HOUSE_ENGINE || plan === null) return engine
  // A program that leaves an image sequence draws whole frames of the composition, in its own size.
  const { film, frame_step } = plan
  if (!/^\d+\/1$/.test(frame_step))
    problems.error('RATE_INVALID', `The engine ${engine} draws whole frames: this film would need frames between the template's (a step of ${frame_step}).`)
  if (film.fit.x !== 0 || film.fit.y !== 0 || film.fit.width !== film.width || film.fit.height !== film.height)
    problems.error('SIZE_INVALID', `The engine ${engine} draws in the template's own size, whose sides are even: ${film.composition.width}x${film.composition.height}, not ${film.width}x${film.height}.`)
  else if (film.composition.width !== film.width || film.composition.height !== film.height)
    problems.error('SIZE_INVALID', `The engine ${engine} draws in the template's own size: ${film.composition.width}x${film.composition.height}.`)
  return engine
}

/** Other engines have fonts of their own: a text stays a text. */
export function writeTexts(filled) {
  for (const [layer, { text }] of filled)
    if (typeof text === 'string' && isObject(layer.t?.d)) for (const { s } of objects(layer.t.d.k)) if (isObject(s)) s.t = text
}
