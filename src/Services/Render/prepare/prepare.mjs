// Preflight and baking, a one-shot child: one JSON request on stdin, one JSON answer on stdout, exit 0.
// Every refusal is a value in the answer, all of them at once; a crash is a bug.
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { bakeTexts } from './baking.mjs'
import { isObject, readBundle } from './bundle.mjs'
import { checkFeatures } from './features.mjs'
import { engineOf, HOUSE_ENGINE, writeTexts } from './engines.mjs'
import { applyFields } from './fields.mjs'
import { planFilm } from './film.mjs'
import { embedImages } from './images.mjs'
import { Problems } from './problems.mjs'
import { mixSounds } from './sounds.mjs'
import { checkStructure } from './structure.mjs'
import { upgrade } from './upgrade.mjs'

const LIMITS = { max_seconds: 3600, max_pixels: 33177600, max_template_bytes: 67108864, max_frames: 216000 }

/** Request in, answer out; writes the prepared template to request.out when there is no error. */
export function prepare(request) {
  const problems = new Problems()
  if (!isObject(request) || typeof request.bundle !== 'string' || typeof request.out !== 'string') {
    problems.error('BAD_REQUEST', 'The request names no bundle to read and no file to write.')
    return refusal(problems)
  }
  const limits = { ...LIMITS, ...numbersIn(request.limits) }
  const bundle = readBundle(request.bundle, limits, problems)
  const sound = bundle !== null && checkStructure(bundle.lottie, problems)
  const plan = bundle === null ? null : planFilm(bundle.lottie, request, limits, problems)
  if (!sound) return refusal(problems)

  const { lottie } = bundle
  upgrade(lottie)
  const engine = engineOf(bundle, plan, problems)
  if (engine === HOUSE_ENGINE) checkFeatures(lottie, problems)
  const filled = applyFields(bundle, request.inputs ?? {}, problems)
  embedImages(bundle, filled, problems)
  const hasSound = mixSounds(bundle, plan, request, problems)
  if (engine === HOUSE_ENGINE) bakeTexts(bundle, filled, problems)
  else writeTexts(filled)
  if (problems.errors.length > 0 || plan === null) return { ...refusal(problems), ...plan }

  const json = JSON.stringify(lottie)
  try {
    writeFileSync(request.out, json)
  } catch (e) {
    problems.error('OUTPUT_UNWRITABLE', `The prepared template cannot be written: ${e.code}.`)
    return refusal(problems)
  }
  return { ok: true, ...problems.lists(), ...plan, engine, sound: hasSound, template_sha256: createHash('sha256').update(json).digest('hex') }
}

const numbersIn = limits => Object.fromEntries(Object.entries(limits ?? {}).filter(([, limit]) => Number.isFinite(limit)))
const refusal = problems => ({ ok: false, ...problems.lists() })

async function readAll(stream) {
  const parts = []
  for await (const part of stream) parts.push(part)
  return Buffer.concat(parts).toString('utf8')
}

async function main() {
  const text = await readAll(process.stdin)
  let request
  try {
    request = JSON.parse(text)
  } catch (e) {
    const problems = new Problems()
    problems.error('BAD_REQUEST', `The request is not JSON: ${e.message}`)
    return refusal(problems)
  }
  return prepare(request)
}

if (import.meta.main ?? process.argv[1]?.endsWith('prepare.mjs'))
  process.stdout.write(JSON.stringify(await main()) + '\n')
