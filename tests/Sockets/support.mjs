// What the outside suites share: a server of their own, a node that does as it is told, and clients.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { createHash, generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import WebSocket from 'ws'

const root = fileURLToPath(new URL('../../', import.meta.url))
const HOST = join(root, 'src/Services/Host/bin/Release/net10.0/FlatRender.Host.dll')
export const TOKEN = 'the-owners-token-of-these-tests'
const NODE_TOKEN = 'the-nodes-token-of-these-tests'
const PATIENCE = 60_000

// --- the database server that the tests are given ---

const given = Object.fromEntries((process.env.FLATRENDER_TEST_DATABASE ?? '').split(';').filter(Boolean).map(p => p.split('=').map(t => t.trim())).map(([k, v]) => [k.toLowerCase(), v]))
const psqlAt = () => {
  const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql').sort((a, b) => b - a) : []
  return versions.map(v => `/usr/lib/postgresql/${v}/bin/psql`).find(existsSync) ?? 'psql'
}
function psql(database, sql) {
  assert.ok(given.host, 'FLATRENDER_TEST_DATABASE is not set. Run ./flatrender test: it starts a private PostgreSQL and sets it.')
  const env = { ...process.env, PGHOST: given.host, PGPORT: given.port ?? '5432', PGUSER: given.username, PGPASSWORD: given.password ?? '' }
  return execFileSync(psqlAt(), ['-XqtA', '-v', 'ON_ERROR_STOP=1', '-d', database, '-c', sql], { env, encoding: 'utf8' }).trim()
}

// --- the server ---

/** A host with all roles on a database of its own. `options` are more words of its command line. */
export async function startServer(options = []) {
  const database = 't_' + randomUUID().replaceAll('-', '').slice(0, 12)
  psql(given.database ?? 'postgres', `CREATE DATABASE ${database}`)
  const home = mkdtempSync(join(tmpdir(), 'flatrender-sockets-'))
  const connection = Object.entries({ ...given, database, 'maximum pool size': '20' }).map(p => p.join('=')).join(';')
  const child = spawn('dotnet', [HOST, 'serve', '--urls', 'http://127.0.0.1:0', '--home', home, ...options], {
    env: { ...process.env, FLATRENDER_DATABASE: connection, FLATRENDER_API_TOKEN: TOKEN, FLATRENDER_NODE_TOKEN: NODE_TOKEN, FLATRENDER_ORCHESTRATOR_SECRET: 'the-orchestrators-secret' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const log = []
  child.stderr.setEncoding('utf8').on('data', text => log.push(text))
  const ended = new Promise(done => child.once('close', done))
  const cleanUp = () => {
    rmSync(home, { recursive: true, force: true })
    psql(given.database ?? 'postgres', `DROP DATABASE ${database} WITH (FORCE)`)
  }
  const url = await new Promise((ready, failed) => {
    createInterface({ input: child.stdout }).on('line', line => {
      log.push(line + '\n')
      if (line.startsWith('ready ')) ready(line.slice(6).trim())
    })
    ended.then(code => failed(new Error(`the host ended with ${code}:\n${log.join('')}`)))
  }).catch(error => {
    cleanUp()
    throw error
  })
  const server = {
    url,
    log,
    signal: name => child.kill(name),
    ended,
    psql: sql => psql(database, sql),
    async stop() {
      child.kill('SIGKILL')
      await ended
      cleanUp()
    },
  }
  // A key of ours among those that tokens are checked with.
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  server.psql(`INSERT INTO access.verification_keys VALUES ('tests', 'ES256', '\\x${publicKey.export({ type: 'spki', format: 'der' }).toString('hex')}', now() + interval '1 day')`)
  server.key = privateKey
  server.token = ({ tenant = randomUUID(), seconds = 60, permissions = ['renders:read', 'renders:write'] } = {}) => {
    const now = Math.floor(Date.now() / 1000)
    const part = json => Buffer.from(JSON.stringify(json)).toString('base64url')
    const text = part({ alg: 'ES256', typ: 'JWT', kid: 'tests' }) + '.' + part({
      iss: 'flatrender', aud: 'flatrender', sub: randomUUID(), user_id: randomUUID(), tenant_id: tenant, sid: randomUUID(), roles: ['member'], permissions, iat: now, nbf: now, exp: now + seconds,
    })
    return text + '.' + sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')
  }
  return server
}

const ask = (server, method, path, body, token) => fetch(server.url + path, {
  method,
  headers: { authorization: `Bearer ${token}`, ...(body instanceof Buffer ? { 'content-type': 'application/octet-stream' } : body ? { 'content-type': 'application/json' } : {}) },
  body: body instanceof Buffer ? body : body && JSON.stringify(body),
})

/** A call of the REST that must succeed. */
export async function call(server, method, path, body, token = TOKEN) {
  const answer = await ask(server, method, path, body, token)
  const text = await answer.text()
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`)
  return text && JSON.parse(text)
}

// --- a node that does as it is told ---

const TIMES = { fetch: 0, start: 0, draw: 0, encode: 0, check: 0, store: 0, cpu: 0.1 }

/** A node of many slots. It holds every task until a test says what becomes of it. */
export async function startNode(server) {
  const id = randomUUID()
  const held = new Map()
  const wanted = []
  const http = createServer((request, answer) => {
    let body = ''
    request.on('data', part => (body += part))
    request.on('end', () => {
      if (request.method === 'POST' && request.url === '/v1/tasks') {
        const task = JSON.parse(body)
        held.set(task.lease_id, task)
        for (const want of [...wanted]) want()
      }
      answer.writeHead(request.method === 'DELETE' ? 204 : 202).end()
    })
  })
  await new Promise(listening => http.listen(0, '127.0.0.1', listening))
  const tell = (path, body) => call(server, 'POST', `/v1/nodes${path}`, body, NODE_TOKEN)
  const first = task => task.first ?? task.segment?.first
  const isSame = (a, b) => a.job_id === b.job_id && a.kind === b.kind && first(a) === first(b)
  const digest = createHash('sha256').update('nothing').digest('hex')
  await call(server, 'PUT', `/v1/files/${digest}`, Buffer.from('nothing'), NODE_TOKEN)
  const register = () => tell('', { node_id: id, name: 'puppet', url: `http://127.0.0.1:${http.address().port}`, slots: 200, tags: [], engines: { skottie: digest }, version: '0.0.0' })
  await register()
  let over = false, timer
  // As an agent does it: one beat after the other; who is not known any more registers again, and what is not wanted any more is dropped.
  const beat = async () => {
    try {
      const answer = await ask(server, 'POST', `/v1/nodes/${id}/heartbeat`, { tasks: [...held.values()].map(t => ({ lease_id: t.lease_id, epoch: t.epoch, done: 0 })), memory_bytes: 0 }, NODE_TOKEN)
      const orders = await answer.json()
      if (answer.status === 404) {
        held.clear()
        await register()
      } else for (const lease of orders.abort ?? []) held.delete(lease)
    } catch {
      // The server is away: the next beat finds it, or nobody needs it any more.
    }
    if (!over) timer = setTimeout(beat, 500)
  }
  timer = setTimeout(beat, 500)
  const node = {
    id,
    /** The next task of this kind for this render, that is so; of one piece of work the newest. */
    async task(job, kind, isSo = () => true) {
      const found = () => [...held.values()].filter(t => t.job_id === job && t.kind === kind && isSo(t)).sort((a, b) => b.epoch - a.epoch)[0]
      return found() ?? within(`a ${kind} task of ${job}`, new Promise(seen => {
        const want = () => found() && (wanted.splice(wanted.indexOf(want), 1), seen(found()))
        wanted.push(want)
      }))
    },
    async end(task, outcome, more) {
      for (const t of [...held.values()]) if (isSame(t, task) && t.epoch <= task.epoch) held.delete(t.lease_id)
      const answer = await ask(server, 'POST', `/v1/nodes/${id}/results`, { outcome, lease_id: task.lease_id, epoch: task.epoch, times: TIMES, ...more }, NODE_TOKEN)
      const text = await answer.text()
      // The lease was lost while this machine stalled: the same piece comes again.
      if (answer.status === 409) return node.end(await node.task(task.job_id, task.kind, t => isSame(t, task)), outcome, more)
      assert.ok(answer.ok, `the result of a ${task.kind} task: ${answer.status} ${text}`)
    },
    progress: (task, done, preview) => tell(`/${id}/progress`, { lease_id: task.lease_id, epoch: task.epoch, done, frames_per_second: 10, preview }),
    draw: task => node.end(task, 'rendered', { segment: { first: task.first, count: task.count, segment_digest: digest, manifest_digest: digest }, engine_digest: digest }),
    check: (task, missing_frames = [], corrupt_frames = []) => node.end(task, 'validated', { missing_frames, corrupt_frames, reason: missing_frames.length + corrupt_frames.length ? 'bad frames' : '', warnings: [] }),
    join: task => node.end(task, 'assembled', { film: { digest, size_bytes: 7, thumbnail_digest: digest, duration_sec: 1.5, frames: task.film.frames, compute_seconds: 0.5 }, missing_frames: [], corrupt_frames: [], reason: '' }),
    fail: (task, code, reason) => node.end(task, 'failed', { code, reason }),
    /** Every task of a kind that comes for this render, until it has done so many. */
    async all(job, kind, count, how) {
      for (let n = 0; n < count; n++) await how(await node.task(job, kind))
    },
    stop() {
      over = true
      clearTimeout(timer)
      http.closeAllConnections()
      http.close()
    },
  }
  return node
}

let template
/** A render of a very small film: 12 frames are one chunk, 24 are two. */
export async function submit(server, frames = 12, token = TOKEN) {
  const lottie = {
    v: '5.7.0', fr: 24, ip: 0, op: frames, w: 64, h: 48, nm: 'small', ddd: 0, assets: [],
    layers: [{ ddd: 0, ind: 1, ty: 1, nm: 'field', sr: 1, ks: { o: { a: 0, k: 100 }, r: { a: 0, k: 0 }, p: { a: 0, k: [0, 0, 0] }, a: { a: 0, k: [0, 0, 0] }, s: { a: 0, k: [100, 100, 100] } }, ao: 0, sw: 64, sh: 48, sc: '#204090', ip: 0, op: frames, st: 0, bm: 0 }],
  }
  template = await call(server, 'POST', '/v1/templates', { name: 'small', lottie }, token)
  return (await call(server, 'POST', '/v1/renders', { template_id: template.template_id }, token)).job_id
}

/** Once the render is seen to be cancelled: where that takes long, the answer to who cancels it shows it as it is. */
export async function cancelled(server, job) {
  for (const since = performance.now(); ; await pause(20)) {
    const render = await call(server, 'GET', `/v1/renders/${job}`)
    if (render.step === 'Cancelled') return render
    assert.ok(performance.now() - since < PATIENCE, `render ${job} is ${render.step}`)
  }
}

// --- clients ---

export const within = (what, promise, patience = PATIENCE) => {
  let timer
  const late = new Promise((_, failed) => (timer = setTimeout(() => failed(new Error(`not within ${patience / 1000} s: ${what}`)), patience)))
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

export const address = (server, job, token = TOKEN) => `${server.url.replace('http', 'ws')}/ws/v1/render/${job}${token === null ? '' : `?token=${token}`}`

/** A client of Node's `ws`, which keeps all it is told, with the moment each message came. */
export class Client {
  messages = []
  #more = []
  #asked
  constructor(server, job, { token = TOKEN, pongs = true } = {}) {
    this.socket = new WebSocket(address(server, job, token), 'flatrender.v1')
    this.closed = new Promise(done => {
      this.socket.on('error', error => { this.error = error })
      this.socket.on('close', (code, reason) => done({ code, reason: String(reason) }))
    })
    this.socket.on('message', (data, binary) => {
      assert.equal(binary, false)
      const message = JSON.parse(data)
      this.messages.push(Object.assign(message, { [AT]: performance.now() }))
      if (message.type === 'ping' && pongs) this.say({ type: 'pong', t: message.t })
      if (message.code === 'UNAVAILABLE' && this.#asked) setTimeout(() => this.say(this.#asked), 300).unref()
      for (const wake of this.#more.splice(0)) wake()
    })
    this.closed.then(() => this.#more.splice(0).forEach(wake => wake()))
  }

  say(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(typeof message === 'string' || message instanceof Buffer ? message : JSON.stringify(message))
  }

  /** Says it, and again as long as the answer is that a part it needs is away. */
  ask(message) {
    this.#asked = message
    this.say(message)
  }

  /** The first message that is so, told already or still to come. */
  async until(what, isSo) {
    const seen = async () => {
      for (let from = 0; ; ) {
        for (; from < this.messages.length; from++) if (isSo(this.messages[from])) return this.messages[from]
        if (this.socket.readyState === WebSocket.CLOSED) assert.fail(`closed before ${what}: ${JSON.stringify(this.messages.at(-1))} ${this.error ?? ''}`)
        await new Promise(wake => this.#more.push(wake))
      }
    }
    return within(what, seen())
  }

  of(type, more = () => true) {
    return this.until(type, m => m.type === type && more(m))
  }

  step(to) {
    return this.until(`step ${to}`, m => m.to_step === to || m.current_state?.step === to)
  }

  cut() {
    this.socket.terminate()
  }
}

export const AT = Symbol('when it came')
