// The TypeScript client: compiled as it is published, against a running server.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import WebSocket from 'ws'
import { TOKEN, cancelled, startNode, startServer, submit, within } from './support.mjs'

const here = path => fileURLToPath(new URL(path, import.meta.url))
const built = mkdtempSync(join(tmpdir(), 'flatrender-client-'))
let FlatRender, Refusal, server, node

before(async () => {
  const ran = spawnSync(here('node_modules/.bin/tsc'), ['-p', here('../../src/Contracts/typescript'), '--outDir', built], { encoding: 'utf8' })
  assert.equal(ran.status, 0, ran.stdout + ran.stderr)
  // Without a package.json above it, Node would take .js for CommonJS.
  const { writeFileSync } = await import('node:fs')
  writeFileSync(join(built, 'package.json'), '{"type":"module"}')
  ;({ FlatRender, Refusal } = await import(pathToFileURL(join(built, 'index.js'))))
  server = await startServer()
  node = await startNode(server)
})
after(async () => {
  node?.stop()
  await server?.stop()
  rmSync(built, { recursive: true, force: true })
})

const api = (more = {}) => new FlatRender({ baseUrl: server.url, token: TOKEN, WebSocket, ...more })

/** A clock whose timers ring when the test says so. */
class HandClock {
  timers = new Map()
  setTimeout(ring, milliseconds) {
    const timer = Symbol(milliseconds)
    this.timers.set(timer, { ring, milliseconds })
    return timer
  }
  clearTimeout(timer) {
    this.timers.delete(timer)
  }
  ring(milliseconds) {
    for (const [timer, { ring, milliseconds: due }] of this.timers) if (due === milliseconds) this.timers.delete(timer), ring()
  }
}

test('submits, watches a render to its film, and fetches it', async () => {
  const template_id = await (async () => {
    await submit(server)
    return (await (await fetch(server.url + '/v1/templates', { headers: { authorization: `Bearer ${TOKEN}` } })).json()).items[0].template_id
  })()
  const key = randomUUID()
  const render = await api().submit({ template_id }, { idempotencyKey: key })
  assert.equal((await api().submit({ template_id }, { idempotencyKey: key })).job_id, render.job_id)
  const seen = []
  const watch = api().watch(render.job_id, { onMessage: m => seen.push(m) })
  await node.draw(await node.task(render.job_id, 'render'))
  await node.check(await node.task(render.job_id, 'validate'))
  await node.join(await node.task(render.job_id, 'assemble'))
  const end = await within('the end', watch.ended)
  assert.equal(end.kind, 'done')
  assert.equal(seen[0].type, 'hello')
  assert.equal(seen.at(-1), end.message)
  assert.ok(!seen.some(m => m.type === 'ping'))
  const film = await fetch(api().url(end.message.output_url), { headers: { authorization: `Bearer ${TOKEN}` } })
  assert.equal(film.status, 200)
  assert.equal((await film.arrayBuffer()).byteLength, 7)
  assert.equal((await api().get(render.job_id)).step, 'Done')
})

test('cancels over the socket, and over the REST', async () => {
  const first = await submit(server)
  const watch = api().watch(first, { onMessage: m => m.type === 'hello' && watch.cancel() })
  assert.equal((await within('the end', watch.ended)).kind, 'cancelled')
  const second = await submit(server)
  await api().cancel(second, 'no longer wanted')
  await cancelled(server, second)
})

test('a refusal carries the envelope', async () => {
  const wrong = await api().get(randomUUID()).catch(e => e)
  assert.ok(wrong instanceof Refusal)
  assert.deepEqual([wrong.status, wrong.code], [404, 'NOT_FOUND'])
  assert.ok(wrong.traceId)
})

test('does not come again where that changes nothing', async () => {
  const job = await submit(server)
  for (const [client, id, code] of [[api({ token: 'wrong' }), job, 4401], [api({ token: server.token() }), job, 4403], [api(), randomUUID(), 4404]]) {
    const end = await within('the end', client.watch(id, { onReconnect: () => assert.fail('came again') }).ended)
    assert.deepEqual([end.kind, end.code], ['refused', code])
  }
})

test('comes again after 1, 2, 4, 8, 16, 30, 30 seconds, and from one again when it was let in', async () => {
  const job = await submit(server)
  const clock = new HandClock()
  const waits = []
  let away = 7
  // Seven times nobody is there; then the server is.
  const gone = createServer()
  await new Promise(done => gone.listen(0, '127.0.0.1', done))
  const port = gone.address().port
  await new Promise(done => gone.close(done))
  const sockets = []
  class Flaky extends WebSocket {
    constructor(address, protocol) {
      super(away-- > 0 ? `ws://127.0.0.1:${port}/` : address, protocol)
      sockets.push(this)
    }
  }
  let hello
  const watch = api({ WebSocket: Flaky }).watch(job, {
    clock,
    onReconnect: wait => {
      waits.push(wait)
      queueMicrotask(() => clock.ring(wait))
    },
    onMessage: m => m.type === 'hello' && hello(m),
  })
  const greeted = () => within('a hello', new Promise(done => (hello = done)))
  await greeted()
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16000, 30000, 30000])
  sockets.at(-1).terminate()
  await greeted()
  assert.deepEqual(waits.slice(7), [1000])
  watch.close()
  assert.equal((await watch.ended).kind, 'closed')
})

test('asks the REST when nothing was heard for 15 seconds, and ends with what it sees', async () => {
  const job = await submit(server)
  const clock = new HandClock()
  const polled = []
  // A socket that never opens: a proxy in between that swallows everything.
  class Deaf extends EventTarget {
    readyState = 0
    close() {}
  }
  const watch = api({ WebSocket: Deaf }).watch(job, { clock, onPoll: r => polled.push(r.step) })
  await until(() => [...clock.timers.values()].some(t => t.milliseconds === 15000))
  clock.ring(15000)
  await until(() => polled.length === 1)
  await api().cancel(job)
  await cancelled(server, job)
  await until(() => [...clock.timers.values()].some(t => t.milliseconds === 15000))
  clock.ring(15000)
  const end = await within('the end', watch.ended)
  assert.equal(end.kind, 'ended')
  assert.equal(end.render.step, 'Cancelled')
})

async function until(isSo) {
  const since = performance.now()
  while (!isSo()) {
    assert.ok(performance.now() - since < 30_000)
    await new Promise(done => setImmediate(done))
  }
}
