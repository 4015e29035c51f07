// The message gateway from outside, case by case, in both dialects: a running server, Node's `ws` on one side, `amqplib` on the other.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { RESPONSES, startGateway, startServices, unique, within } from './support.mjs'

const EXCHANGE = `conformance-${unique()}`
const UUID4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const BIG = '12345678901234567890'

const route = (url, more = {}) => ({ url, exchange: EXCHANGE, routing_key: url.replaceAll('/', '.'), timeout_seconds: 30, token: false, ...more })
const routesOf = dialect => [
  route(`${dialect}/echo`), route(`${dialect}/quick`, { timeout_seconds: 0.3 }), route(`${dialect}/unheard`), route(`${dialect}/nowhere`, { exchange: `${EXCHANGE}-none` }),
  route(`${dialect}/signed`, { token: true }), route(`${dialect}/guarded`, { token: true, permissions: [`${dialect}.games.play`, `${dialect}.games.watch `] }),
  route(`${dialect}/default`, { response_exchange: '' }), route(`${dialect}/own-responses`, { response_exchange: `${EXCHANGE}-responses` }),
].map(r => ({ ...r, dialect, microservice: `the ${dialect} service` }))

let server, services
before(async () => {
  server = await startGateway([...routesOf('om'), ...routesOf('legacy'), route('both', { dialect: 'both', microservice: 'twice' })], { limits: { in_flight: 60, per_second: 2000, user_per_second: 2000 } })
  services = await startServices()
})
after(async () => {
  await services?.end()
  await server?.stop()
})

const text = message => message.content.toString('utf8')

for (const dialect of ['om', 'legacy']) describe(`${dialect}:`, () => {
  const url = name => `${dialect}/${name}`
  const puppets = {}
  let client
  before(async () => {
    for (const name of ['echo', 'quick', 'signed', 'guarded', 'default', 'own-responses']) puppets[name] = await services.puppet(EXCHANGE, `${dialect}.${name}`)
    client = await server.connect()
  })
  after(() => client?.close())

  /** Asks, lets the service answer so, and gives both what it had received and what the client is told. */
  async function exchange(message, body = { content: 'fine' }, { name = 'echo', ...properties } = {}) {
    client.say(typeof message === 'string' ? message : { url: url(name), 'event-name': 'asked', ...message })
    const request = await puppets[name].next()
    puppets[name].reply(request, body, properties)
    return { request, answer: await client.nextText() }
  }
  const user = request => request.properties.headers[dialect === 'om' ? 'om_user_id' : 'user_id']
  const permissions = request => request.properties.headers[dialect === 'om' ? 'om_permissions' : 'permissions']
  const requestUrl = request => request.properties.headers[dialect === 'om' ? 'om_request_url' : 'request_url']
  const separator = dialect === 'om' ? ';' : ','

  /** After what was wrong the socket is as good as before. */
  const stillServes = async () => assert.deepEqual(JSON.parse((await exchange({ 'event-name': 'still' })).answer), { content: 'fine', 'event-name': 'still' })
  const refused = async (message, type, name) => {
    const told = await client.error(message)
    assert.deepEqual([told.error.type, told['event-name']], [type, name])
    await stillServes()
    return told
  }

  test('a request is answered under its event name', async () => {
    const { answer } = await exchange({ content: { a: 1 } }, { content: { b: 2 }, 'event-name': 'asked' })
    assert.equal(answer, '{"content":{"b":2},"event-name":"asked"}')
  })

  test('the service receives every header and property as the documents have them, and nothing else', async () => {
    const token = server.token({ permissions: ['games.rooms.join', 'games.rooms.leave'] })
    const id = JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).user_id
    const { request } = await exchange({ url: `/${url('echo')}`, content: { a: 1 }, token })
    const common = [`/${url('echo')}`, ['games.rooms.join', 'games.rooms.leave'].join(separator), id]
    assert.deepEqual(request.properties.headers, dialect === 'om'
      ? { om_routing_key: 'om.echo', om_request_url: common[0], om_permissions: common[1], om_user_id: common[2] }
      : { microservice_name: 'the legacy service', request_url: common[0], permissions: common[1], user_id: common[2] })
    const { headers, replyTo, ...rest } = request.properties
    assert.match(replyTo, UUID4)
    assert.deepEqual(Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)), { contentType: 'application/json', deliveryMode: 2, correlationId: 'asked', expiration: '30000' })
    assert.deepEqual([request.fields.exchange, request.fields.routingKey, request.fields.redelivered], [EXCHANGE, `${dialect}.echo`, false])
    assert.equal(text(request), '{"a":1}')
  })

  test('the reply queue is one for all requests of a socket, and another for another socket', async () => {
    const one = await exchange({}), two = await exchange({})
    assert.equal(one.request.properties.replyTo, two.request.properties.replyTo)
    const other = await server.connect()
    other.say({ url: url('echo'), 'event-name': 'asked' })
    const request = await puppets.echo.next()
    assert.notEqual(request.properties.replyTo, one.request.properties.replyTo)
    puppets.echo.reply(request, { content: 'for the other' })
    assert.equal((await other.next()).content, 'for the other')
    await other.close()
    await stillServes()
  })

  test('the reply queue is closed to other connections', async () => {
    const { request } = await exchange({})
    const prying = await services.channel()
    prying.on('error', () => {})
    await assert.rejects(async () => {
      const own = await import('amqplib').then(a => a.default.connect(process.env.FLATRENDER_TEST_RABBITMQ))
      try {
        const channel = await own.createChannel()
        channel.on('error', () => {})
        await channel.consume(request.properties.replyTo, () => {})
      } finally {
        await own.close()
      }
    }, /RESOURCE_LOCKED|locked/i)
    await prying.close().catch(() => {})
  })

  test('without a token there is no user and no permission', async () => {
    const { request } = await exchange({})
    assert.deepEqual([user(request), permissions(request)], ['', ''])
  })

  test('what a client says of its user and its permissions is not believed', async () => {
    const { request } = await exchange({ user_id: 'root', permissions: ['a.b.c'], om_user_id: 'root', om_permissions: 'a.b.c', headers: { user_id: 'root' } })
    assert.deepEqual([user(request), permissions(request)], ['', ''])
  })

  test('blanks around permissions go, and what is no permission is told to nobody', async () => {
    const { request } = await exchange({ token: server.token({ permissions: [' a.b.c', 'd.e.f ', '  ', 'a.b.c;x.y.z', 'a.b.c,x.y.z', 'a.b', 'no', 'g. h.i'] }) })
    assert.equal(permissions(request), ['a.b.c', 'd.e.f'].join(separator))
  })

  test('our own permissions are told in the form of the documents', async () => {
    const { request } = await exchange({ token: server.token({ permissions: ['renders:read', 'renders:write'] }) })
    assert.equal(permissions(request), ['flatrender.renders.read', 'flatrender.renders.write'].join(separator))
  })

  for (const [what, written] of Object.entries({ 'at its front': '/X', 'at its end': 'X/', 'everywhere': '//X//', 'in its middle': 'X'.replace('X', `${dialect}//echo`) }))
    test(`slashes ${what} do not matter, and the service is told the url as it was written`, async () => {
      const sent = written.replace('X', url('echo'))
      const { request } = await exchange({ url: sent })
      assert.equal(requestUrl(request), sent)
    })

  for (const unknown of ['nothing', `${dialect}`, `${dialect}/echo/more`, `${dialect.toUpperCase()}/echo`, `${dialect}/echo?x=1`, `${dialect}/%65cho`])
    test(`there is nothing at ${unknown}`, () => refused({ url: unknown, 'event-name': 'asked' }, 'NotFound', 'asked'))

  test('a url must be there', () => refused({ content: 1, 'event-name': 'asked' }, 'BadRequest', 'asked'))
  for (const wrong of [7, null, true, ['a'], { a: 1 }, '', '///', 'x'.repeat(2000)])
    test(`a url is not ${JSON.stringify(wrong).slice(0, 20)}`, () => refused({ 'event-name': 'asked', url: wrong }, 'BadRequest', 'asked'))

  test('no content is an empty body', async () => assert.equal((await exchange({})).request.content.length, 0))
  test('content that is null is an empty body', async () => assert.equal((await exchange({ content: null })).request.content.length, 0))
  for (const content of ['[1,"two",null]', '""', '0', 'false', BIG, `{"n":${BIG},"m":-${BIG}.${BIG}e-400}`, '{ "a" :\t1.50,\n "a": 2 }', '"\\u0041\\/ \\ud83d\\ude00"', '"سلام 🎬"', '['.repeat(200) + ']'.repeat(200)])
    test(`content passes byte for byte: ${content.slice(0, 30).replaceAll(/\s/g, ' ')}`, async () => {
      const { request } = await exchange(`{"url":"${url('echo')}", "content" : ${content} ,"event-name":"asked"}`)
      assert.equal(text(request), content)
    })
  test('an answer passes byte for byte', async () => {
    const body = `{ "content": {"n": ${BIG}, "t": "\\u0041 سلام"},\n "more": [1.50] ,"event-name" : "asked" }`
    assert.equal((await exchange({}, body)).answer, body)
  })

  for (const [what, member] of Object.entries({ 'absent': '', 'null': ',"event-name":null' }))
    test(`with an event name that is ${what}, nobody waits for an answer`, async () => {
      client.say(`{"url":"${url('echo')}","content":{"a":1}${member}}`)
      const request = await puppets.echo.next()
      assert.equal(request.properties.correlationId, 'null')
      assert.match(request.properties.replyTo, UUID4)
      puppets.echo.reply(request, { content: 'unasked' })
      await stillServes()
    })
  for (const wrong of [7, true, ['a'], {}])
    test(`an event name is not ${JSON.stringify(wrong)}`, () => refused({ url: url('echo'), 'event-name': wrong }, 'BadRequest', null))
  for (const wrong of ['', 'null', 'x'.repeat(300), 'ü'.repeat(128)])
    test(`an event name is not ${JSON.stringify(wrong).slice(0, 12)}, and hears of it`, () => refused({ url: url('echo'), 'event-name': wrong }, 'BadRequest', wrong))
  for (const name of ['x'.repeat(255), 'رویداد 🎬 "quoted" \\ \u0001', ' ', 'NULL'])
    test(`an event name may be ${JSON.stringify(name).slice(0, 24)}`, async () => {
      const { request, answer } = await exchange({ 'event-name': name })
      assert.equal(request.properties.correlationId, name)
      assert.equal(JSON.parse(answer)['event-name'], name)
    })

  for (const broken of ['', '{', 'hello', '{"url":"x"', '{"url":"x"} more', '[1]', '"text"', 'null', '7', "{'url':'x'}", '{"url":"x",}', '\ufeff{}', '{"url":"\\ud800"}'])
    test(`what is no JSON object is refused: ${JSON.stringify(broken)}`, () => refused(broken, 'BadRequest', null))
  test('a broken message is refused under its event name, where that was readable', () => refused('{"event-name":"asked","url":', 'BadRequest', 'asked'))
  for (const twice of ['"url":"y"', '"content":2', '"event-name":"asked"', '"token":null'])
    test(`a member is not written twice: ${twice}`, () => refused(`{"url":"${url('echo')}","content":1,"token":null,"event-name":"asked",${twice}}`, 'BadRequest', 'asked'))
  test('a binary frame is refused', async () => {
    client.socket.send(Buffer.from(JSON.stringify({ url: url('echo'), 'event-name': 'asked' })), { binary: true })
    await refused(undefined, 'BadRequest', null)
  })
  test('text that is no UTF-8 ends the socket with 1007, as WebSocket has it, and nothing else', async () => {
    const broken = await server.connect()
    broken.socket.send(Buffer.from([0x22, 0xff, 0x22]), { binary: false })
    assert.equal((await within('the close', broken.closed)).code, 1007)
    await stillServes()
  })
  test('a ping is answered', async () => {
    const pong = new Promise(came => client.socket.once('pong', data => came(String(data))))
    client.socket.ping('are you there')
    assert.equal(await within('a pong', pong), 'are you there')
  })

  test('fifty requests under way at once are each answered by its own, in any order', async () => {
    for (let i = 0; i < 50; i++) client.say({ url: url('echo'), content: i, 'event-name': `n${i}` })
    const requests = []
    for (let i = 0; i < 50; i++) requests.push(await puppets.echo.next())
    for (const request of requests.toReversed()) puppets.echo.reply(request, { content: Number(text(request)) * 2 })
    const answers = []
    for (let i = 0; i < 50; i++) answers.push(await client.next())
    assert.deepEqual(answers, Array.from({ length: 50 }, (_, i) => ({ content: (49 - i) * 2, 'event-name': `n${49 - i}` })))
  })
  test('two requests of one name are both answered', async () => {
    client.say({ url: url('echo'), content: 1, 'event-name': 'same' })
    client.say({ url: url('echo'), content: 2, 'event-name': 'same' })
    for (const expected of ['1', '2']) {
      const request = await puppets.echo.next()
      assert.equal(text(request), expected)
      puppets.echo.reply(request, { content: Number(expected) })
      assert.deepEqual(await client.next(), { content: Number(expected), 'event-name': 'same' })
    }
  })
  test('messages on one socket reach the service in their order', async () => {
    for (let i = 0; i < 100; i++) client.say({ url: url('echo'), content: i })
    for (let i = 0; i < 100; i++) assert.equal(text(await puppets.echo.next()), String(i))
  })

  test('a second answer is dropped, and counted', async () => {
    const before = await server.metric('flatrender_message_replies_dropped_total')
    const { request } = await exchange({})
    puppets.echo.reply(request, { content: 'again' })
    await stillServes()
    assert.equal(await server.metric('flatrender_message_replies_dropped_total'), before + 1)
  })
  test('no answer in time is an error; one that comes later is dropped', async () => {
    client.say({ url: url('quick'), 'event-name': 'asked' })
    const request = await puppets.quick.next()
    assert.equal(request.properties.expiration, '300')
    assert.equal((await client.error()).error.type, 'Timeout')
    puppets.quick.reply(request, { content: 'late' })
    await stillServes()
  })
  test('an answer without an event name gets it', async () => {
    for (const [body, answer] of [['{"content":1}', '{"content":1,"event-name":"asked"}'], ['{ }', '{ "event-name":"asked"}'], ['', '{"event-name":"asked"}'], ['{"content":1,"event-name":null}', '{"content":1,"event-name":"asked"}']])
      assert.equal((await exchange({}, body)).answer, answer)
  })
  test('an answer with another event name than was asked under gets that', async () => {
    assert.equal((await exchange({}, '{"event-name":"other","content":1}')).answer, '{"event-name":"asked","content":1}')
  })
  test('an answer without a correlation id is known by its event name', async () => {
    assert.deepEqual(JSON.parse((await exchange({}, { content: 1, 'event-name': 'asked' }, { correlationId: undefined })).answer), { content: 1, 'event-name': 'asked' })
  })
  test('an answer that belongs to nothing is dropped', async () => {
    client.say({ url: url('echo'), 'event-name': 'asked' })
    const request = await puppets.echo.next()
    for (const wrong of [{ correlationId: 'other' }, { correlationId: 'null' }, { correlationId: undefined }]) puppets.echo.reply(request, { content: 'wrong' }, wrong)
    puppets.echo.reply(request, { content: 'right' })
    assert.equal((await client.next()).content, 'right')
  })
  for (const [what, body] of Object.entries({ 'not JSON': 'hello', 'a list': '[1]', 'a text': '"x"', 'cut short': '{"content":', 'two': '{}{}', 'not UTF-8': Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]) }))
    test(`an answer that is ${what} is an error of the service's`, async () => {
      const told = JSON.parse((await exchange({}, body)).answer)
      assert.deepEqual([told.error.type, told['event-name']], ['BadGateway', 'asked'])
      await stillServes()
    })
  for (const details of ['a text', ['a', 'list'], { a: 'dictionary' }])
    test(`the error a service answers with reaches the client as it is: ${JSON.stringify(details)}`, async () => {
      const error = { error: { type: 'ValidationError', details }, 'event-name': 'asked' }
      assert.deepEqual(JSON.parse((await exchange({}, error)).answer), error)
    })
  test('an answer may come through the default exchange', async () => {
    assert.equal(JSON.parse((await exchange({}, undefined, { name: 'default', responses: '' })).answer).content, 'fine')
  })
  test('an answer may come through an exchange of the route\'s own', async () => {
    assert.equal(JSON.parse((await exchange({}, undefined, { name: 'own-responses', responses: `${EXCHANGE}-responses` })).answer).content, 'fine')
  })

  test('where no queue is bound, the error comes at once', () => refused({ url: url('unheard'), 'event-name': 'asked' }, 'ServiceUnavailable', 'asked'))
  test('where there is no exchange, the error comes at once', () => refused({ url: url('nowhere'), 'event-name': 'asked' }, 'ServiceUnavailable', 'asked'))
  test('who waits for nothing hears of a request that nobody took', () => refused({ url: url('unheard') }, 'ServiceUnavailable', null))
  test('a service that dies before it answers is an error when the time is over', async () => {
    const mortal = await startServices()
    const puppet = await mortal.puppet(EXCHANGE, `${dialect}.unheard`)
    server.write([...routesOf('om'), ...routesOf('legacy'), route('both', { dialect: 'both', microservice: 'twice' }), { ...route(`${dialect}/mortal`, { timeout_seconds: 0.5 }), routing_key: `${dialect}.unheard` }], { in_flight: 60, per_second: 2000, user_per_second: 2000 })
    const reloads = () => server.log.join('').split('were read again').length
    const before = reloads()
    server.signal('SIGHUP')
    await within('the reload', (async () => { while (reloads() === before) await new Promise(setImmediate) })())
    client.say({ url: url('mortal'), 'event-name': 'asked' })
    await puppet.next()
    await mortal.end()
    await refused(undefined, 'Timeout', 'asked')
    await refused({ url: url('mortal'), 'event-name': 'asked' }, 'ServiceUnavailable', 'asked')
  })

  test('a token must be there where the route wants one', () => refused({ url: url('signed'), 'event-name': 'asked' }, 'Unauthorized', 'asked'))
  const badTokens = {
    'expired': () => server.token({ seconds: -60 }),
    'altered': () => server.token().replace(/\.[^.]{4}/, '.AAAA'),
    'unsigned': () => Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url') + server.token().slice(server.token().indexOf('.'), server.token().lastIndexOf('.') + 1),
    'no token': () => 'hello',
    'empty': () => '',
    'very long': () => 'x'.repeat(100_000),
  }
  for (const [what, make] of Object.entries(badTokens))
    test(`a token that is ${what} opens nothing`, () => refused({ url: url('signed'), token: make(), 'event-name': 'asked' }, 'Unauthorized', 'asked'))
  test('a bad token is refused also where none is needed', () => refused({ url: url('echo'), token: 'hello', 'event-name': 'asked' }, 'Unauthorized', 'asked'))
  test('a token is a text', () => refused({ url: url('signed'), token: 7, 'event-name': 'asked' }, 'BadRequest', 'asked'))
  test('a good token opens, and the next message without one is nobody\'s again', async () => {
    const { request } = await exchange({ token: server.token() }, undefined, { name: 'signed' })
    assert.match(user(request), UUID4)
    assert.equal(user((await exchange({})).request), '')
    await refused({ url: url('signed'), 'event-name': 'asked' }, 'Unauthorized', 'asked')
  })
  for (const [what, held] of Object.entries({ 'none': [], 'one of two': [`${dialect}.games.play`], 'others': ['a.b.c', `${dialect}.games.play;${dialect}.games.watch`] }))
    test(`with ${what} of its permissions a route is closed`, () => refused({ url: url('guarded'), token: server.token({ permissions: held }), 'event-name': 'asked' }, 'Forbidden', 'asked'))
  test('with all its permissions a route is open', async () => {
    const { request } = await exchange({ token: server.token({ permissions: ['a.b.c', `${dialect}.games.watch`, ` ${dialect}.games.play `] }) }, undefined, { name: 'guarded' })
    assert.equal(permissions(request), ['a.b.c', `${dialect}.games.watch`, `${dialect}.games.play`].join(separator))
  })

  test('large bodies pass both ways', async () => {
    const large = 'é'.repeat(400_000)
    const { request, answer } = await exchange({ content: large }, { content: large + large })
    assert.equal(JSON.parse(text(request)), large)
    assert.equal(JSON.parse(answer).content, large + large)
  })
  test('a message that is too large is refused', () => refused({ url: url('echo'), content: 'x'.repeat(1 << 20), 'event-name': 'asked' }, 'PayloadTooLarge', null))
  test('an answer that is too large is an error of the service\'s', async () => {
    assert.equal(JSON.parse((await exchange({}, { content: 'x'.repeat(8 << 20) })).answer).error.type, 'BadGateway')
    await stillServes()
  })
})

test('a route of both dialects tells all headers', async () => {
  const puppet = await services.puppet(EXCHANGE, 'both')
  const client = await server.connect()
  client.say({ url: 'both', 'event-name': 'asked', token: server.token({ permissions: ['a.b.c', 'd.e.f'] }) })
  const { headers } = (await puppet.next()).properties
  assert.deepEqual(Object.keys(headers).sort(), ['microservice_name', 'om_permissions', 'om_request_url', 'om_routing_key', 'om_user_id', 'permissions', 'request_url', 'user_id'])
  assert.deepEqual([headers.om_permissions, headers.permissions], ['a.b.c;d.e.f', 'a.b.c,d.e.f'])
  await client.close()
})

test('the address is for WebSockets', async () => {
  const answer = await fetch(server.url + '/ws/v1/messages')
  assert.equal(answer.status, 400)
  assert.equal((await answer.json()).error.code, 'NOT_A_WEBSOCKET')
})
