// What a running gateway serves: FlatRender's own operations, as over HTTP, through a broker and in one process without; and the microservices of samples/microservices.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import * as legacy from '../../samples/microservices/legacy.mjs'
import * as om from '../../samples/microservices/om.mjs'
import { TOKEN, call, cancelled, startServer, submit } from '../Sockets/support.mjs'
import { Client, startGateway, startServices } from './support.mjs'

const { routes } = JSON.parse(readFileSync(new URL('../../samples/microservices/routes.json', import.meta.url)))
const modes = { 'over the broker': () => startGateway(routes), 'in one process': () => startServer() }
for (const [mode, start] of Object.entries(modes)) describe(`${mode}:`, () => {
  let server, client, job, template
  before(async () => {
    server = await start()
    job = await submit(server)
    template = (await call(server, 'GET', '/v1/templates')).items[0]
    client = await Client.open(server)
  })
  after(async () => {
    await client?.close()
    await server?.stop()
  })

  const ask = (what, content, token = TOKEN) => client.ask({ url: `flatrender/${what}`, content, token, 'event-name': what })
  const content = async (...asked) => {
    const answer = await ask(...asked)
    assert.deepEqual(Object.keys(answer).sort(), ['content', 'event-name'], JSON.stringify(answer))
    assert.equal(answer['event-name'], asked[0])
    return answer.content
  }
  const refused = async (type, ...asked) => {
    const answer = await ask(...asked)
    assert.equal(answer.error?.type, type, JSON.stringify(answer))
    assert.equal(answer['event-name'], asked[0])
    return answer.error.details
  }

  test('who calls', async () => {
    assert.deepEqual(await content('me'), await call(server, 'GET', '/v1/auth/me'))
    const person = await call(server, 'POST', '/v1/auth/register', { email: `${randomUUID()}@example.org`, password: 'a password long enough', name: 'A person' })
    assert.deepEqual(await content('me', undefined, person.access_token), await call(server, 'GET', '/v1/auth/me', undefined, person.access_token))
  })
  test('what there is to spend', async () => assert.deepEqual(await content('credits'), await call(server, 'GET', '/v1/credits')))
  test('templates, by pages', async () => {
    assert.deepEqual(await content('templates/list'), await call(server, 'GET', '/v1/templates'))
    assert.deepEqual(await content('templates/list', { page: 2, page_size: 1 }), await call(server, 'GET', '/v1/templates?page=2&page_size=1'))
  })
  test('a render, and the list of them', async () => {
    assert.deepEqual(await content('renders/get', { job_id: job }), await call(server, 'GET', `/v1/renders/${job}`))
    assert.deepEqual((await content('renders/list', { title: 'small', page_size: 100 })).items.map(r => r.job_id), (await call(server, 'GET', '/v1/renders?title=small&page_size=100')).items.map(r => r.job_id))
    assert.equal((await content('renders/list', { step: 'Done' })).total, 0)
  })
  test('a submission is a render; the same key is the same render', async () => {
    const made = await content('renders/submit', { template_id: template.template_id, priority: 70, idempotency_key: 'first' })
    assert.equal(made.priority, 70)
    assert.equal((await call(server, 'GET', `/v1/renders/${made.job_id}`)).template_id, template.template_id)
    assert.equal((await content('renders/submit', { template_id: template.template_id, priority: 70, idempotency_key: 'first' })).job_id, made.job_id)
    assert.equal((await refused('ValidationError', 'renders/submit', { template_id: template.template_id, priority: 71, idempotency_key: 'first' })).code, 'IDEMPOTENCY_CONFLICT')
    assert.notEqual((await content('renders/submit', { template_id: template.template_id, idempotency_key: 'second' })).job_id, made.job_id)
  })
  test('a render is cancelled, and cancelled it stays', async () => {
    const made = await content('renders/submit', { template_id: template.template_id })
    await content('renders/cancel', { job_id: made.job_id, reason: 'changed my mind' })
    assert.equal((await cancelled(server, made.job_id)).reason, 'changed my mind')
    assert.equal((await content('renders/cancel', { job_id: made.job_id })).step, 'Cancelled')
  })
  test('a submission that nobody waits for is made all the same', async () => {
    client.say({ url: 'flatrender/renders/submit', content: { template_id: template.template_id, idempotency_key: 'quiet' }, token: TOKEN })
    const { job_id } = await content('renders/submit', { template_id: template.template_id, idempotency_key: 'quiet' })
    assert.equal((await content('renders/submit', { template_id: template.template_id, idempotency_key: 'quiet' })).job_id, job_id)
  })
  test('refusals are those of the REST, with all they say', async () => {
    assert.equal((await refused('NotFound', 'renders/get', { job_id: randomUUID() })).code, 'NOT_FOUND')
    const wrong = await refused('ValidationError', 'renders/submit', { template_id: template.template_id, priority: 700, tags: ['not good'] })
    assert.deepEqual(wrong.details.map(d => d.field), ['priority', 'tags'])
    assert.match(wrong.trace_id, /^[0-9a-f]{32}$/)
    await refused('ValidationError', 'renders/list', { page_size: 1000 })
    await refused('BadRequest', 'renders/get', { job_id: 'nothing' })
    await refused('BadRequest', 'renders/get', {})
    await refused('BadRequest', 'renders/submit', { template_id: 7 })
    await refused('BadRequest', 'renders/submit', ['a list'])
  })
  test('they are for who may, and for one\'s own', async () => {
    const stranger = server.token()
    await refused('NotFound', 'renders/get', { job_id: job }, stranger)
    await refused('NotFound', 'renders/cancel', { job_id: job }, stranger)
    assert.equal((await content('renders/list', {}, stranger)).total, 0)
    await refused('Forbidden', 'credits', {}, stranger)
    await refused('Forbidden', 'renders/cancel', { job_id: job }, server.token({ permissions: ['renders:read'] }))
    await refused('Unauthorized', 'me', {}, 'nonsense')
    await refused('Unauthorized', 'me', {}, null)
    assert.equal((await call(server, 'GET', `/v1/renders/${job}`)).step === 'Cancelled', false)
  })

  if (mode === 'over the broker') describe('microservices in JavaScript:', () => {
    let services
    before(async () => {
      services = await startServices()
      await om.serve(await services.channel())
      await legacy.serve(await services.channel())
    })
    after(() => services?.end())

    const SEARCH = { url: 'api/v1/matchmaking/search', content: { 'Player-ID': '0146563d-0f45-4062-90a7-b13a583defad', 'Game-Mode': 'team-deathmatch' }, 'event-name': 'find-opponents' }

    test('a request of the documents is answered as in the documents', async () => {
      const client = await server.connect()
      assert.deepEqual(await client.ask({ ...SEARCH, token: server.token({ permissions: ['matchmaking.games.search'] }) }), {
        content: { 'Server-IP': '127.0.0.1:5000', 'Access-Token': 'for 0146563d-0f45-4062-90a7-b13a583defad', Team: 'blue' },
        'event-name': 'find-opponents',
      })
      await client.close()
    })

    test('what a service refuses reaches the client as the service said it', async () => {
      const client = await server.connect()
      assert.deepEqual(await client.ask({ ...SEARCH, content: {}, token: server.token({ permissions: ['matchmaking.games.search'] }) }), {
        error: { type: 'ValidationError', details: { 'Player-ID': 'is a text', 'Game-Mode': 'is a text' } },
        'event-name': 'find-opponents',
      })
      await client.close()
    })

    test('a service of the older dialect checks permissions, and answers without an event name', async () => {
      const client = await server.connect()
      const answer = await client.ask({ url: '/api/v1/players/me', token: server.token({ permissions: ['players.profile.read', 'a.b.c'] }), 'event-name': 'me' })
      assert.equal(answer.content.resource, '/api/v1/players/me')
      assert.match(answer.content.user, /^[0-9a-f-]{36}$/)
      assert.equal(answer['event-name'], 'me')
      assert.deepEqual(await client.ask({ url: 'api/v1/players/me', token: server.token({ permissions: ['a.b.c'] }), 'event-name': 'me' }), { error: { type: 'Forbidden', details: ['This needs players.profile.read.'] }, 'event-name': 'me' })
      await client.close()
    })

    test('a caller without the permission never reaches the service', async () => {
      const client = await server.connect()
      const { error } = await client.error({ ...SEARCH, token: server.token({ permissions: ['matchmaking.games.watch'] }) })
      assert.equal(error.type, 'Forbidden')
      assert.equal((await client.error({ ...SEARCH, url: 'api/v1/nothing' })).error.type, 'NotFound')
      await client.close()
    })
  })
})
