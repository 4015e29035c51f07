// A template's sounds become one AAC track of exactly the film's length. What cannot be decoded is refused here, not found out in the film.
import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { isObject, list } from './bundle.mjs'
import { everyLayer, nameOf } from './structure.mjs'

const AUDIO = 6
const RATE = 48000
const MAX_BYTES = 20_000_000
const MAX_SOUNDS = 16
const PATIENCE = 60_000

// Told by its first bytes and read as that alone: a play list that names other files is no sound.
const KINDS = [
  ['wav', b => b.toString('latin1', 0, 4) === 'RIFF' && b.toString('latin1', 8, 12) === 'WAVE'],
  ['ogg', b => b.toString('latin1', 0, 4) === 'OggS'],
  ['flac', b => b.toString('latin1', 0, 4) === 'fLaC'],
  ['mov', b => b.toString('latin1', 4, 8) === 'ftyp'],
  ['mp3', b => b.toString('latin1', 0, 3) === 'ID3' || (b[0] === 0xff && (b[1] & 0xe6) === 0xe2)],
  ['aac', b => b[0] === 0xff && (b[1] & 0xf6) === 0xf0],
]

/** Takes the sounds out of the template and mixes them into request.out + '.m4a'. True when there is a track. */
export function mixSounds({ lottie, assets }, plan, request, problems) {
  const played = soundLayers(lottie, problems)
  const sources = new Map()
  for (const { asset, layer } of played)
    if (!sources.has(asset)) sources.set(asset, source(asset, assets, `${request.out}.sound${sources.size}`, problems, nameOf(layer)))
  for (const asset of lottie.assets)
    if (isSound(asset)) Object.assign(asset, { u: '', p: '', e: 1 })
  const parts = played.map(p => ({ ...p, ...sources.get(p.asset) })).filter(p => p.path)
  try {
    if (parts.length === 0 || plan === null || problems.errors.length > 0) return false
    return mix(parts, lottie, plan, `${request.out}.m4a`, problems)
  } finally {
    for (const { path } of sources.values()) if (path) rmSync(path, { force: true })
  }
}

export const isSound = asset => typeof asset.p === 'string' && (/\.(mp3|wav|m4a|aac|ogg|flac)$/i.test(asset.p) || /^data:audio\//i.test(asset.p))

function soundLayers(lottie, problems) {
  const top = new Set(lottie.layers)
  const found = []
  for (const layer of everyLayer(lottie)) {
    if (layer.ty !== AUDIO || layer.hd === true) continue
    const asset = lottie.assets.find(a => a.id === layer.refId && !a.layers)
    if (!asset || typeof asset.p !== 'string') problems.warn('MISSING_ASSET', `The layer '${nameOf(layer)}' plays the sound '${layer.refId}', which the template does not have.`)
    else if (!top.has(layer)) problems.warn('SOUND_IGNORED', `The sound of the layer '${nameOf(layer)}' lies in a pre-composition and is not played.`)
    else if (found.length === MAX_SOUNDS) problems.error('TEMPLATE_TOO_COMPLEX', `The template plays more than ${MAX_SOUNDS} sounds.`)
    else found.push({ layer, asset })
  }
  return found
}

/** { path, kind } of a sound that can be decoded to its end; what is wrong becomes an error. */
function source(asset, files, path, problems, name) {
  const uri = asset.p.startsWith('data:') ? asset.p : files[`${asset.u ?? ''}${asset.p}`] ?? files[asset.p]
  const wrong = (code, what) => { problems.error(code, `The sound '${asset.p.startsWith('data:') ? asset.id : asset.p}' of the layer '${name}' ${what}.`); return {} }
  if (typeof uri !== 'string') return wrong('MISSING_SOUND', 'is not in the template')
  const head = /^data:[^,]*;base64,/i.exec(uri.slice(0, 200))
  if (!head) return wrong('SOUND_INVALID', 'is no base64 data: URI')
  const bytes = Buffer.from(uri.slice(head[0].length), 'base64')
  if (bytes.length > MAX_BYTES) return wrong('SOUND_INVALID', `has ${bytes.length} bytes; at most ${MAX_BYTES} are allowed`)
  const kind = KINDS.find(([, is]) => is(bytes))?.[0]
  if (!kind) return wrong('SOUND_INVALID', 'is neither WAV, MP3, AAC, M4A, Ogg nor FLAC')
  writeFileSync(path, bytes)
  const heard = ffmpeg(['-f', kind, '-i', path, '-map', '0:a:0', '-f', 'null', '-'])
  if (heard === null) return { path, kind }
  rmSync(path, { force: true })
  return wrong('SOUND_INVALID', `cannot be decoded: ${heard}`)
}

function mix(parts, lottie, { film }, out, problems) {
  const samples = Math.round(film.frames * film.rate_den / film.rate_num * RATE)
  const seconds = frames => frames / lottie.fr
  const chains = parts.map(({ layer }, i) => {
    const start = Math.max(layer.ip, lottie.ip)
    const from = Math.max(0, seconds(start - (layer.st ?? 0)))
    const to = Math.max(from, seconds(Math.min(layer.op, lottie.op) - (layer.st ?? 0)))
    const delay = Math.round(Math.max(0, seconds(Math.max(start, layer.st ?? 0) - lottie.ip)) * RATE)
    return `[${i}:a:0]aresample=${RATE},aformat=channel_layouts=stereo,atrim=start=${from.toFixed(6)}:end=${to.toFixed(6)},asetpts=PTS-STARTPTS,volume=${level(layer, problems)},adelay=${delay}S:all=1[s${i}]`
  })
  const graph = `${chains.join(';')};${parts.map((_, i) => `[s${i}]`).join('')}amix=inputs=${parts.length}:normalize=0,apad,atrim=end_sample=${samples}[o]`
  const failed = ffmpeg([
    ...parts.flatMap(({ path, kind }) => ['-f', kind, '-i', path]), '-filter_complex', graph, '-map', '[o]', '-c:a', 'aac', '-b:a', '160k', '-threads', '1',
    // On a clock as fine as the samples: a coarser one rounds the length.
    '-map_metadata', '-1', '-fflags', '+bitexact', '-flags:a', '+bitexact', '-movie_timescale', String(RATE), '-f', 'mp4', out,
  ])
  if (failed !== null) problems.error('SOUND_INVALID', `The sounds cannot be mixed: ${failed}`)
  return failed === null
}

/** A level is two numbers in per cent, left and right. */
function level(layer, problems) {
  const value = isObject(layer.au?.lv) ? layer.au.lv.k : 100
  if (Array.isArray(value) && isObject(value[0])) problems.warn('SOUND_IGNORED', `The level of the sound layer '${nameOf(layer)}' moves; it is played at its first level.`)
  const first = Array.isArray(value) ? (isObject(value[0]) ? list(value[0].s)[0] : value[0]) : value
  return Number.isFinite(first) ? Math.min(4, Math.max(0, first / 100)).toFixed(4) : '1'
}

/** Null when it went well, else what it complained of. */
function ffmpeg(words) {
  const { status, error, stderr } = spawnSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', '-xerror', '-err_detect', 'explode', '-protocol_whitelist', 'file,pipe', ...words], { timeout: PATIENCE, encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] })
  if (error) return error.code === 'ENOENT' ? 'ffmpeg is not installed beside the preparation' : error.message
  return status === 0 && stderr.trim() === '' ? null : (stderr.trim().split('\n')[0] || `ffmpeg ended with ${status}`).slice(0, 200)
}
