// The protocol, written down a second time, by hand and from its page: what every message must hold.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { parse } from '@stoplight/yaml'
import addFormats from 'ajv-formats'
import Ajv from 'ajv/dist/2020.js'

const uuid = v => /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(v)
const text = v => typeof v === 'string' && v.length > 0
const whole = v => Number.isInteger(v) && v >= 0
const percent = v => whole(v) && v <= 100
const seconds = v => typeof v === 'number' && v >= 0
const truth = v => typeof v === 'boolean'
const moment = v => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$/.test(v)
const frames = v => Array.isArray(v) && v.every(whole)
const step = v => ['Queued', 'Rendering', 'Validating', 'Repair', 'Done', 'Failed', 'Cancelled'].includes(v)
const picture = v => /^data:image\/jpeg;base64,[A-Za-z0-9+/]+=*$/.test(v)
const or = (isSo, ...others) => v => others.includes(v) || isSo(v)

const about = { job_id: uuid, seq: v => whole(v) && v > 0 }
export const MESSAGES = {
  hello: { ...about, current_state: v => holds(v, { step, progress: percent, current_frame: whole, total_frames: whole, started_at: or(moment, null) }) },
  progress: { ...about, step, progress: percent, current_frame: whole, total_frames: whole, eta_seconds: or(seconds, null), preview_b64: or(picture, null), active_nodes: whole, message: or(text, null) },
  step_change: { ...about, from_step: step, to_step: step, at: moment },
  frame_repair: { ...about, missing_frames: frames, corrupt_frames: frames, attempt: whole, max_attempts: whole },
  node_event: { ...about, event: text, node_id: uuid, auto_recovered: truth, message: text },
  done: { ...about, export_id: uuid, output_url: text, thumbnail_url: text, duration_sec: seconds, size_bytes: whole, compute_seconds: seconds },
  failed: { ...about, failed_at_step: step, error_message: text, error_code: text, refund_issued: truth, trace_id: uuid },
  cancelled: { ...about, cancelled_at: moment, progress_when_cancelled: percent },
  snapshot_update: { snapshot_id: uuid, snapshot: v => uuid(v.snapshot_id) && uuid(v.project_id) && uuid(v.template_id) && text(v.name) && /^[0-9a-f]{64}$/.test(v.digest) },
  error: { code: text, message: text },
  ping: { t: whole },
}

function holds(value, shape) {
  assert.deepEqual(Object.keys(value).sort(), Object.keys(shape).sort(), JSON.stringify(value))
  for (const [name, isSo] of Object.entries(shape)) assert.ok(isSo(value[name]), `${name} is ${JSON.stringify(value[name])} in ${JSON.stringify(value)}`)
  return true
}

const ajv = addFormats(new Ajv({ strict: false }))
const documented = Object.entries(parse(readFileSync(new URL('../../src/Contracts/asyncapi.yaml', import.meta.url), 'utf8')).components.schemas)
const validators = Object.fromEntries(documented.map(([type, schema]) => [type, ajv.compile(schema)]))

/** Every message has every member of its type, of the right kind, and no other; and is as the document says. */
export function conform(messages, job) {
  assert.equal(messages[0].type, 'hello', 'the first message')
  let seq = 0
  for (const { type, ...members } of messages) {
    assert.ok(validators[type]?.({ type, ...members }), `${type}: ${JSON.stringify(validators[type]?.errors)}`)
    assert.ok(MESSAGES[type], `there is no message ${type}`)
    holds(members, MESSAGES[type])
    if (members.job_id) assert.equal(members.job_id, job)
    if (members.seq) assert.ok(members.seq >= seq, `seq went back from ${seq} to ${members.seq}`)
    seq = members.seq ?? seq
  }
}
