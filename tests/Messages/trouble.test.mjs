// The message gateway in trouble: its broker dies, its services misbehave, its clients leave or do not read, its routes are wrong.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import WebSocket from 'ws'
import { startServer } from '../Sockets/support.mjs'
import { startBroker } from './broker.mjs'
import { startGateway, startServices, unique, within } from './support.mjs'

// How many sockets come and go; more for a longer look.
const MANY = Number(process.env.FLATRENDER_SOCKETS ?? 300)
const EXCHANGE = `trouble-${unique()}`
const route = (url, more = {}) => ({ url, exchange: EXCHANGE, routing_key: url, timeout_seconds: 30, token: false, ...more })
const ROUTES = [route('echo'), route('silent'), route('brief', { routing_key: 'silent', timeout_seconds: 0.2 }), route('hurried', { routing_key: 'echo', timeout_seconds: 0.5 }), route('odd')]

let broker, server, services, echo, silent
before(async () => {
  broker = await startBroker()
  server = await startGateway(ROUTES, { broker: broker.url })
  await begin()
})
after(async () => {
  await services?.end()
  await server?.stop()
  await broker?.stop()
})

async function begin() {
  services = await startServices(broker.url)
  echo = await services.puppet(EXCHANGE, 'echo', (request, puppet) => puppet.reply(request, `{"content":${request.content.length ? request.content : null}}`))
  silent = await services.puppet(EXCHANGE, 'silent')
}

/** Until it is so; each look asks the server something, so that none is in vain. */
const until = (what, isSo) => within(what, (async () => { while (!(await isSo())) await new Promise(setImmediate) })())
const logged = text => server.log.join('').split(text).length - 1

async function reload(routes, limits) {
  const [before, kept] = [logged('were read again'), logged('those of before stay')]
  if (typeof routes === 'string') server.writeText(routes)
  else server.write(routes, limits)
  server.signal('SIGHUP')
  await until('the routes are read', () => logged('were read again') > before || logged('those of before stay') > kept)
  return logged('were read again') > before
}

/** What a socket is answered that may not open. */
const refusedSocket = () => within('the refusal', new Promise((told, failed) => {
  const socket = new WebSocket(server.url.replace('http', 'ws') + '/ws/v1/messages')
  socket.on('open', () => failed(new Error('it opened')))
  socket.on('error', () => {})
  socket.on('unexpected-response', async (_, response) => {
    const parts = await response.toArray()
    told({ status: response.statusCode, headers: response.headers, body: JSON.parse(Buffer.concat(parts)) })
  })
}))

test('wrong routes are all named, and the server does not start', async () => {
  const bad = [
    { url: 'a', exchange: 'x', routing_key: 'k', dialect: 'french' }, { url: '//', exchange: 'x', routing_key: 'k' }, { exchange: 'x', routing_key: 'k' },
    route('b'), route('/b/'), { ...route('c'), timeout_seconds: 0 }, { ...route('d'), timeout: 5 }, { ...route('e'), dialect: 'legacy' }, { ...route('f'), token: true, permissions: ['no'] }, { ...route('g'), permissions: ['a.b.c'] },
    { ...route('h'), token: 'yes' }, 7, route('flatrender/me'),
  ]
  await assert.rejects(startGateway(bad, { broker: broker.url, limits: { in_flight: 0, sokets: 5 } }), error => {
    for (const part of ['ended with 2', "'dialect' is om, legacy or both, not 'french'", "routes[1]: 'url' is empty", "routes[2]: 'url' is missing", "routes[4]: there is a route for 'b' already", "routes[5]: 'timeout_seconds'", "routes[6]: there is no 'timeout'",
      "routes[7]: the legacy dialect needs 'microservice'", 'routes[8]: a permission is written', "routes[9]: 'permissions' without a token", "routes[10]: 'token' is true or false", 'routes[11] is an object', "routes[12]: there is a route for 'flatrender/me' already", "limits: 'in_flight'", "there is no 'sokets'"])
      assert.ok(error.message.includes(part), `${part}\n${error.message}`)
    return true
  })
})
test('routes that are no JSON, or no file, or need a broker where there is none, refuse to start', async () => {
  const refusing = (options, what) => assert.rejects(startServer(options), what)
  await refusing(['--broker', broker.url, '--messages', '/nothing/here.json'], /cannot be read/)
  await refusing(['--messages', new URL('../../samples/microservices/routes.json', import.meta.url).pathname], /--broker amqp/)
})

test('routes are read again on SIGHUP; wrong ones change nothing', async () => {
  const client = await server.connect()
  const hears = async (url, type) => assert.equal((await client.ask({ url, 'event-name': 'asked' })).error?.type, type)
  await hears('new', 'NotFound')
  assert.ok(await reload([...ROUTES, route('new', { routing_key: 'echo' })]))
  await hears('new', undefined)
  assert.equal(await reload('{"routes": [ {'), false)
  assert.equal(await reload([{ url: 'new' }]), false)
  assert.ok(logged("'exchange' is missing"))
  await hears('new', undefined)
  assert.ok(await reload(ROUTES))
  await hears('new', 'NotFound')
  await client.close()
})

test('a socket, and a person over several, has only so much under way', async () => {
  const [one, two] = [await server.connect(), await server.connect()]
  const token = server.token()
  assert.ok(await reload(ROUTES, { in_flight: 2, user_in_flight: 3 }))
  const ask = (client, name) => client.say({ url: 'silent', token, 'event-name': name })
  for (const name of ['a', 'b', 'c']) ask(one, name)
  const refusal = await one.error()
  assert.deepEqual([refusal.error.type, refusal['event-name']], ['TooManyRequests', 'c'])
  const held = [await silent.next(), await silent.next()]
  ask(two, 'd')
  held.push(await silent.next())
  ask(two, 'e')
  assert.match((await two.error()).error.details, /person/)
  for (const request of held) silent.reply(request, { content: 1 })
  assert.deepEqual([(await one.next())['event-name'], (await one.next())['event-name'], (await two.next())['event-name']], ['a', 'b', 'd'])
  ask(two, 'f')
  silent.reply(await silent.next(), { content: 1 })
  assert.equal((await two.next())['event-name'], 'f')
  await reload(ROUTES)
  await Promise.all([one.close(), two.close()])
})
test('a gateway that has as many sockets as it may refuses one more in the envelope, and takes it when one has gone', async () => {
  const [one, two] = [await server.connect(), await server.connect()]
  assert.ok(await reload(ROUTES, { sockets: 2 }))
  const { status, headers, body } = await refusedSocket()
  assert.deepEqual([status, body.error.code], [503, 'UNAVAILABLE'])
  assert.ok(Number(headers['retry-after']) > 0)
  assert.ok(body.error.trace_id)
  await two.close()
  await until('the place is free', async () => (await server.metric('flatrender_message_sockets')) === 1)
  const three = await server.connect()
  assert.deepEqual((await three.ask({ url: 'echo', content: 3, 'event-name': 'here' })).content, 3)
  await reload(ROUTES)
  await Promise.all([one.close(), three.close()])
})

test('a person who asks too fast over several sockets is told so on each, and others are served', async () => {
  const [one, two, other] = [await server.connect(), await server.connect(), await server.connect()]
  const [token, another] = [server.token(), server.token()]
  // Both have spoken once: a person's allowance begins with the first word, and the reload finds it there.
  for (const client of [one, two]) await client.ask({ url: 'echo', token, 'event-name': 'first' })
  assert.ok(await reload(ROUTES, { user_per_second: 1 }))
  const answers = []
  for (let i = 0; i < 10; i++) for (const client of [one, two]) client.say({ url: 'echo', token, content: i, 'event-name': `n${i}` })
  for (const client of [one, two]) for (let i = 0; i < 10; i++) answers.push(await client.next())
  const refusals = answers.filter(a => a.error)
  assert.ok(refusals.length >= 10, `${refusals.length} of 20`)
  for (const { error } of refusals) assert.deepEqual([error.type, /of one person/.test(error.details)], ['TooManyRequests', true])
  assert.deepEqual((await other.ask({ url: 'echo', token: another, content: 1, 'event-name': 'other' })).content, 1)
  assert.deepEqual((await two.ask({ url: 'echo', content: 2, 'event-name': 'unnamed' })).content, 2)
  await reload(ROUTES)
  await Promise.all([one, two, other].map(c => c.close()))
})

test('who speaks too fast is told so, and served again after', async () => {
  const client = await server.connect()
  assert.ok(await reload(ROUTES, { per_second: 5 }))
  for (let i = 0; i < 50; i++) client.say({ url: 'echo', content: i, 'event-name': `n${i}` })
  const answers = []
  while (answers.length < 50) answers.push(await client.next())
  assert.ok(answers.filter(a => a.error?.type === 'TooManyRequests').length >= 30)
  assert.ok(answers.filter(a => a.content !== undefined).length >= 5)
  await until('it is served again', async () => (await client.ask({ url: 'echo', 'event-name': 'again' })).error === undefined)
  await reload(ROUTES)
  await client.close()
})

test('a client that leaves with requests under way leaves nothing, and its service is none the worse', async () => {
  const client = await server.connect()
  for (let i = 0; i < 20; i++) client.say({ url: 'silent', 'event-name': `n${i}` })
  const requests = []
  for (let i = 0; i < 20; i++) requests.push(await silent.next())
  assert.ok(broker.list('list_queues', 'name').includes(requests[0].properties.replyTo))
  client.socket.terminate()
  await until('nothing is under way', async () => await server.metric('flatrender_message_in_flight') === 0)
  await until('its queue is gone', () => !broker.list('list_queues', 'name').includes(requests[0].properties.replyTo))
  for (const request of requests) silent.reply(request, { content: 'too late' })
  const other = await server.connect()
  other.say({ url: 'silent', 'event-name': 'asked' })
  silent.reply(await silent.next(), { content: 'in time' })
  assert.equal((await other.next()).content, 'in time')
  await other.close()
})
test('a client that does not read is not read from, harms nobody, and misses nothing', async () => {
  const [slow, other] = [await server.connect(), await server.connect()]
  slow.socket._socket.pause()
  const content = 'x'.repeat(200_000)
  for (let i = 0; i < 90; i++) slow.say({ url: 'echo', content, 'event-name': `n${i}` })
  for (let i = 0; i < 20; i++) assert.equal((await other.ask({ url: 'echo', content: i, 'event-name': 'asked' })).content, i)
  slow.socket._socket.resume()
  const names = new Set()
  while (names.size < 90) names.add((await slow.next())['event-name'])
  await Promise.all([slow.close(), other.close()])
})

test('many come and go, some while their service misbehaves, and nothing stays', async t => {
  let n = 0
  await services.puppet(EXCHANGE, 'odd', (request, puppet) => {
    const ways = [() => {}, () => puppet.reply(request, 'nonsense'), () => { puppet.reply(request, {}); puppet.reply(request, {}) }, () => puppet.reply(request, {}, { correlationId: 'other' })]
    ways[n++ % ways.length]()
  })
  const before = { queues: broker.list('list_queues', 'name').length, channels: broker.list('list_channels', 'pid').length }
  const atOnce = 30
  const rounds = Math.ceil(MANY / atOnce)
  const memory = () => server.metric('dotnet_process_memory_working_set_bytes')
  let half
  for (let round = 0; round < rounds; round++) {
    if (round === Math.floor(rounds / 2)) half = await memory()
    await Promise.all(Array.from({ length: atOnce }, async (_, i) => {
      const client = await server.connect()
      if (i === 0) client.say({ url: 'odd', 'event-name': 'odd' })
      assert.equal((await (async () => {
        client.say({ url: 'echo', content: i, 'event-name': 'asked' })
        for (;;) {
          const told = await client.next()
          if (told['event-name'] === 'asked') return told
        }
      })()).content, i)
      if (i % 3 === 0) client.socket.terminate()
      else await client.close()
    }))
  }
  await until('no socket is left', async () => await server.metric('flatrender_message_sockets') === 0)
  await until('no queue is left', () => broker.list('list_queues', 'name').length === before.queues)
  assert.equal(broker.list('list_channels', 'pid').length, before.channels)
  assert.equal(await server.metric('flatrender_message_in_flight'), 0)
  const end = await memory()
  t.diagnostic(`${rounds * atOnce} sockets; ${Math.round(half / 1e6)} MB after half of them, ${Math.round(end / 1e6)} MB after all`)
  assert.ok(end < half * 1.25 + 20e6, `${half} bytes after half of them, ${end} after all`)
})

test('a broker that takes nothing for the moment is said at once', async () => {
  const client = await server.connect()
  assert.equal((await client.ask({ url: 'echo', content: 1, 'event-name': 'asked' })).content, 1)
  broker.control('set_vm_memory_high_watermark', '0')
  // The broker says so to whoever publishes: the first who does waits in vain.
  await until('it is refused', async () => (await client.ask({ url: 'hurried', 'event-name': 'asked' })).error?.type === 'ServiceUnavailable')
  broker.control('set_vm_memory_high_watermark', '0.4')
  await until('it is served again', async () => (await client.ask({ url: 'hurried', 'event-name': 'asked' })).error === undefined)
  await client.close()
})
test('a broker that dies fails what is under way at once; when it is back, the same sockets are served', async () => {
  const client = await server.connect()
  client.say({ url: 'silent', 'event-name': 'under way' })
  await silent.next()
  await broker.die()
  const lost = await client.error()
  assert.deepEqual([lost.error.type, lost['event-name']], ['ServiceUnavailable', 'under way'])
  assert.equal((await client.error({ url: 'echo', 'event-name': 'meanwhile' })).error.type, 'ServiceUnavailable')
  await broker.start()
  await begin()
  await until('it is served again', async () => (await client.ask({ url: 'echo', 'event-name': 'again' })).error === undefined)
  client.say({ url: 'silent', 'event-name': 'as before' })
  silent.reply(await silent.next(), { content: 'answered' })
  assert.equal((await client.next()).content, 'answered')
  await client.close()
})

test('a server that ends sends everybody on with 1001', async () => {
  const client = await server.connect()
  client.say({ url: 'silent', 'event-name': 'under way' })
  await silent.next()
  server.signal('SIGTERM')
  assert.equal((await within('the close', client.closed)).code, 1001)
  assert.equal(await within('the end', server.ended), 0)
})
