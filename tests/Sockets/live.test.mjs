// The live socket from outside: a running server, Node's `ws`, and the protocol as its page has it.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import WebSocket from 'ws'
import { conform } from './protocol.mjs'
import { AT, Client, TOKEN, address, call, startNode, startServer, submit, within } from './support.mjs'

let server, node
before(async () => {
  server = await startServer()
  node = await startNode(server)
})
after(async () => {
  node?.stop()
  await server?.stop()
})

const PREVIEW = 'data:image/jpeg;base64,' + Buffer.alloc(9000, 7).toString('base64')

test('a whole life: crash, repair, film; every message as the protocol has it', async () => {
  const job = await submit(server)
  const client = new Client(server, job)
  await client.step('Rendering')
  const crashed = await node.task(job, 'render')
  await node.fail(crashed, 'ENGINE_CRASHED', 'the engine died')
  const trouble = await client.of('node_event')
  assert.deepEqual([trouble.event, trouble.node_id], ['node_crashed', node.id])
  const drawing = await node.task(job, 'render')
  await node.progress(drawing, 6, PREVIEW)
  const shown = await client.of('progress', m => m.current_frame === 6 && m.preview_b64)
  assert.equal(shown.preview_b64, PREVIEW)
  assert.equal(shown.progress, 50)
  assert.equal(shown.active_nodes, 1)
  assert.ok(shown.eta_seconds > 0)
  await node.draw(drawing)
  await client.step('Validating')
  await node.check(await node.task(job, 'validate'), [3], [5])
  const repair = await client.of('frame_repair')
  assert.deepEqual([repair.missing_frames, repair.corrupt_frames, repair.attempt], [[3], [5], 1])
  await node.draw(await node.task(job, 'render'))
  await node.check(await node.task(job, 'validate'))
  await node.join(await node.task(job, 'assemble'))
  const done = await client.of('done')
  assert.equal((await within('the close', client.closed)).code, 1000)
  assert.equal(client.messages.at(-1), done)
  conform(client.messages, job)
  assert.deepEqual(client.messages.filter(m => m.type === 'step_change').map(m => m.to_step), ['Rendering', 'Validating', 'Repair', 'Validating', 'Done'].slice(client.messages[0].current_state.step === 'Queued' ? 0 : 1))
  const film = await fetch(new URL(done.output_url, server.url), { headers: { authorization: `Bearer ${TOKEN}` } })
  assert.equal(film.status, 200)
  await film.arrayBuffer()

  const late = new Client(server, job)
  assert.equal((await within('the close', late.closed)).code, 1000)
  conform(late.messages, job)
  assert.deepEqual(late.messages.map(m => m.type), ['hello', 'done'])
  assert.equal(late.messages[0].current_state.progress, 100)
})

test('a render that fails, and one cancelled over its socket', async () => {
  const failing = await submit(server)
  const first = new Client(server, failing)
  const hopeless = await node.task(failing, 'render')
  // That it renders is a fact only when a node is at it.
  await first.step('Rendering')
  await node.fail(hopeless, 'TEMPLATE_INVALID', 'the template cannot be drawn')
  const failed = await first.of('failed')
  assert.equal(failed.error_code, 'TEMPLATE_INVALID')
  assert.equal(failed.failed_at_step, 'Rendering')
  assert.equal((await within('the close', first.closed)).code, 1000)
  conform(first.messages, failing)

  const unwanted = await submit(server)
  const second = new Client(server, unwanted)
  await second.step('Rendering')
  second.say({ type: 'cancel_job', job_id: failing })
  assert.equal((await second.of('error')).code, 'FORBIDDEN')
  second.ask({ type: 'subscribe_snapshot', snapshot_id: randomUUID() })
  await second.of('error', m => m.code === 'NOT_FOUND')
  second.ask({ type: 'cancel_job', job_id: unwanted })
  await second.of('cancelled')
  assert.equal((await within('the close', second.closed)).code, 1000)
  conform(second.messages, unwanted)
  // The socket of an ended render lingers for a word that was on its way, but not for a machine that stalls: then the next one is in time.
  for (let tries = 0, answered = false; !answered; tries++) {
    assert.ok(tries < 100, 'nobody was told that what has ended cannot be cancelled')
    const late = new Client(server, unwanted)
    late.socket.on('open', () => late.say({ type: 'cancel_job', job_id: unwanted }))
    assert.equal((await within('the close', late.closed)).code, 1000)
    conform(late.messages, unwanted)
    answered = late.messages.some(m => m.code === 'NOT_CANCELLABLE')
  }
  assert.equal((await call(server, 'GET', `/v1/renders/${unwanted}`)).step, 'Cancelled')
})

test('snapshots of a project are told to its owner as they are taken, and to no stranger', async () => {
  const job = await submit(server)
  const owner = { tenant: server.psql(`SELECT data->>'tenant_id' FROM eventstore.mt_events WHERE stream_id = '${job}' AND version = 1`), permissions: ['renders:read', 'projects:read', 'projects:write', 'templates:read'] }
  const { items: [template] } = await call(server, 'GET', '/v1/templates')
  const project = await call(server, 'POST', '/v1/projects', { name: 'Nowruz', template_id: template.template_id, inputs: { title: 'one' } })
  const first = await call(server, 'POST', `/v1/projects/${project.project_id}/snapshots`)
  const take = async title => {
    await call(server, 'PUT', `/v1/projects/${project.project_id}`, { name: 'Nowruz', template_id: template.template_id, inputs: { title } })
    return call(server, 'POST', `/v1/projects/${project.project_id}/snapshots`)
  }
  const told = (client, snapshot) => client.of('snapshot_update', m => m.snapshot_id === snapshot.snapshot_id)

  const client = new Client(server, job, { token: server.token(owner) })
  await client.of('hello')
  client.ask({ type: 'subscribe_snapshot', snapshot_id: first.snapshot_id })
  assert.deepEqual((await told(client, first)).snapshot, await call(server, 'GET', `/v1/snapshots/${first.snapshot_id}`))
  const second = await take('two')
  assert.deepEqual((await told(client, second)).snapshot, await call(server, 'GET', `/v1/snapshots/${second.snapshot_id}`))
  const third = await take('three')
  await told(client, third)
  assert.deepEqual(client.messages.filter(m => m.type === 'snapshot_update').map(m => m.snapshot.inputs.title), ['one', 'two', 'three'])

  // Who comes again is told what it names, and at once the newest.
  const again = new Client(server, job, { token: server.token(owner) })
  await again.of('hello')
  again.ask({ type: 'subscribe_snapshot', snapshot_id: second.snapshot_id })
  await told(again, third)
  assert.deepEqual(again.messages.filter(m => m.type === 'snapshot_update').map(m => m.snapshot.inputs.title), ['two', 'three'])
  // Pictures are for REST.
  const heavy = await take('data:image/png;base64,' + 'A'.repeat(70_000))
  assert.equal((await told(again, heavy)).snapshot.inputs, undefined)
  again.ask({ type: 'subscribe_snapshot', snapshot_id: randomUUID() })
  await again.of('error', m => m.code === 'NOT_FOUND')

  const reader = new Client(server, job, { token: server.token({ ...owner, permissions: ['renders:read'] }) })
  await reader.of('hello')
  reader.say({ type: 'subscribe_snapshot', snapshot_id: first.snapshot_id })
  assert.equal((await reader.of('error')).code, 'FORBIDDEN')
  const { access_token: theirs } = await call(server, 'POST', '/v1/auth/register', { email: 'kim@example.org', password: 'a long password', name: 'Kim' }, null)
  const copy = await submit(server, undefined, theirs)
  const stranger = new Client(server, copy, { token: theirs })
  await stranger.of('hello')
  stranger.ask({ type: 'subscribe_snapshot', snapshot_id: first.snapshot_id })
  await stranger.of('error', m => m.code === 'NOT_FOUND')
  for (const [client, id] of [[again, job], [reader, job], [stranger, copy]]) {
    conform(client.messages, id)
    client.cut()
  }
  client.cut()
})

test('each close code of who may not watch or misbehaves', async () => {
  const job = await submit(server)
  const closed = async (client, ...says) => {
    if (says.length > 0) await client.of('hello')
    for (const what of says) client.say(what)
    return (await within('the close', client.closed)).code
  }
  assert.equal(await closed(new Client(server, job, { token: null })), 4401)
  assert.equal(await closed(new Client(server, job, { token: 'wrong' })), 4401)
  assert.equal(await closed(new Client(server, job, { token: server.token({ seconds: -5 }) })), 4401)
  assert.equal(await closed(new Client(server, job, { token: server.token().slice(0, -4) + 'AAAA' })), 4401)
  assert.equal(await closed(new Client(server, job, { token: server.token() })), 4403)
  assert.equal(await closed(new Client(server, randomUUID())), 4404)
  assert.equal(await closed(new Client(server, 'not-an-id')), 4404)
  assert.equal(await closed(new Client(server, job), 'no json'), 1008)
  assert.equal(await closed(new Client(server, job), { type: 'hello' }), 1008)
  assert.equal(await closed(new Client(server, job), Buffer.from('{"type":"pong","t":1}')), 1008)
  assert.equal(await closed(new Client(server, job), JSON.stringify({ type: 'pong', t: 1 }).padEnd(65537)), 1008)
  assert.equal(await closed(new Client(server, job), ...Array.from({ length: 60 }, () => ({ type: 'pong', t: 1 }))), 4429)
  for (const protocols of [[], ['flatrender.v2']]) {
    const refused = new WebSocket(address(server, job), protocols)
    const [status, body] = await within('the refusal', new Promise(done => refused.on('unexpected-response', (_, answer) => {
      let text = ''
      answer.on('data', part => (text += part)).on('end', () => done([answer.statusCode, JSON.parse(text)]))
    })))
    assert.equal(status, 400)
    assert.equal(body.error.code, 'BAD_PROTOCOL')
    assert.ok(body.error.trace_id)
  }
})

test('in a flood of progress, as near to 500 a second as this machine can, nobody is told more than twice a second, and everybody the end', async t => {
  const job = await submit(server, 24)
  const clients = Array.from({ length: 5 }, () => new Client(server, job))
  const first = await node.task(job, 'render')
  await Promise.all(clients.map(c => c.step('Rendering')))
  const until = performance.now() + 7000
  let sent = 0
  // Eight at a time keep the server as busy as it can be, and it is asked for 500 a second.
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (const began = performance.now(); performance.now() < until; ) {
      if (sent > (performance.now() - began) / 2) await pause(1)
      else await node.progress(first, ++sent % 12, PREVIEW)
    }
  }))
  clients[0].ask({ type: 'cancel_job', job_id: job })
  for (const client of clients) {
    assert.equal((await within('the close', client.closed)).code, 1000)
    conform(client.messages, job)
    assert.equal(client.messages.at(-1).type, 'cancelled')
    // Over the whole of it: a busy client may see two together that were sent apart, but never more than were due.
    const seconds = (client.messages.at(-1)[AT] - client.messages[0][AT]) / 1000
    const told = (what, of, rate) => {
      const count = client.messages.filter(of).length
      assert.ok(count <= Math.ceil(seconds * rate) + 1, `${count} ${what} in ${seconds.toFixed(1)} s`)
      return count
    }
    told('messages', () => true, 10)
    const progress = told('progress messages', m => m.type === 'progress', 2)
    const previews = told('previews', m => m.preview_b64, 0.5)
    assert.ok(progress >= 4 && previews >= 2, `${progress} progress messages with ${previews} previews`)
    const gaps = client.messages.filter(m => m.type === 'progress').map((m, i, all) => (i ? m[AT] - all[i - 1][AT] : Infinity))
    t.diagnostic(`${(sent / seconds).toFixed(0)} a second sent; told ${progress} (${previews} with a picture) in ${seconds.toFixed(1)} s, closest ${Math.min(...gaps).toFixed(0)} ms apart`)
  }
  assert.ok(sent > clients[0].messages.filter(m => m.type === 'progress').length, `${sent} were sent`)
})

test('five messages a second pass, the sixth is complained of', async () => {
  const job = await submit(server)
  const client = new Client(server, job)
  await client.of('hello')
  const errors = code => client.messages.filter(m => m.code === code).length
  for (let n = 0; n < 5; n++) client.say({ type: 'cancel_job', job_id: randomUUID() })
  await client.until('five answers', () => errors('FORBIDDEN') === 5)
  await pause(1100)
  assert.equal(errors('RATE_LIMIT'), 0)
  // Six within a second of the server's time: where the machine stalls between them, all pass, and six are said again.
  for (let tries = 0; errors('RATE_LIMIT') === 0; tries++) {
    assert.ok(tries < 10, 'ten times six messages passed')
    const before = errors('FORBIDDEN')
    for (let n = 0; n < 6; n++) client.say({ type: 'cancel_job', job_id: randomUUID() })
    await client.until('six answers', () => errors('FORBIDDEN') + errors('RATE_LIMIT') === before + 6)
    await pause(1100)
  }
  assert.equal(errors('RATE_LIMIT'), 1)
  client.cut()
})

test('a token that expires while its client watches', async () => {
  const job = await submit(server)
  const tenant = server.psql(`SELECT data->>'tenant_id' FROM eventstore.mt_events WHERE stream_id = '${job}' AND version = 1`)
  // Good when it comes; on a machine that stalls, one of twice the length is.
  let client
  for (let seconds = 3; !client?.messages.length; seconds *= 2) {
    assert.ok(seconds < 60, 'no token was good for a hello')
    client = new Client(server, job, { token: server.token({ tenant, seconds }) })
    await client.of('hello').catch(() => {})
    if (!client.messages.length) assert.equal((await within('the close', client.closed)).code, 4401)
  }
  assert.equal(client.messages[0].type, 'hello')
  const reader = new Client(server, job, { token: server.token({ tenant, permissions: ['renders:read'] }) })
  await reader.of('hello')
  reader.say({ type: 'cancel_job', job_id: job })
  assert.equal((await reader.of('error')).code, 'FORBIDDEN')
  const { code, reason } = await within('the close', client.closed)
  assert.equal(code, 4401)
  assert.match(reason, /expired/)
  reader.cut()
})

test('a client that is cut a hundred times sees every step and the end', async () => {
  const job = await submit(server, 24)
  const seen = []
  let cuts = 0, current, over = false
  const watching = (async () => {
    while (!over) {
      const client = (current = new Client(server, job))
      client.socket.on('message', data => {
        const m = JSON.parse(data)
        const step = m.to_step ?? m.current_state?.step
        if (step && seen.at(-1) !== step) seen.push(step)
        if (m.type === 'done') over = true
      })
      const cut = cuts < 100 ? pause(Math.random() * 60).then(() => (client.cut(), cuts++)) : null
      await client.closed
      await cut
    }
  })()
  const sees = async step => {
    const since = performance.now()
    while (!seen.includes(step)) {
      assert.ok(performance.now() - since < 60_000, `${step} was never seen: ${seen}`)
      await pause(5)
    }
    // And is cut some more before the next.
    for (const more = Math.min(100, cuts + 16); cuts < more; ) await pause(5)
  }
  await sees('Rendering')
  await node.all(job, 'render', 2, node.draw)
  await sees('Validating')
  // The two come in any order, and the frame is in the first.
  await node.check(await node.task(job, 'validate', t => t.segment.first === 0), [1])
  await node.check(await node.task(job, 'validate'))
  await sees('Repair')
  await node.draw(await node.task(job, 'render'))
  seen.push('-')
  await sees('-')
  await node.check(await node.task(job, 'validate'))
  while (cuts < 100) await pause(5)
  await node.join(await node.task(job, 'assemble'))
  await within('the end', watching)
  assert.ok(cuts >= 100)
  assert.equal(seen.at(-1), 'Done')
  assert.ok(current)
})

test('who does not answer pings is given up, who does is not; a deploy says so', async () => {
  // So long that nobody who does answer comes too late on a machine that stalls.
  const quick = await startServer(['--ping', '0.4', '--pong', '8'])
  try {
    const job = await submit(quick)
    const deaf = new Client(quick, job, { pongs: false })
    const lively = new Client(quick, job)
    const { code, reason } = await within('the close', deaf.closed)
    assert.deepEqual([code, reason], [1008, 'no pong'])
    assert.ok(deaf.messages.filter(m => m.type === 'ping').length >= 2)
    conform(deaf.messages, job)
    await lively.until('ten pings', () => lively.messages.filter(m => m.type === 'ping').length >= 10)
    quick.signal('SIGTERM')
    assert.equal((await within('the close', lively.closed)).code, 1001)
    assert.equal(await within('the end', quick.ended), 0)
    assert.ok(!quick.log.join('').includes(TOKEN), 'the token is in the log')
  } finally {
    await quick.stop()
  }
})
