// The microservices of samples/microservices behind a running gateway, with the routes file that lies beside them.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import * as legacy from '../../samples/microservices/legacy.mjs'
import * as om from '../../samples/microservices/om.mjs'
import { startGateway, startServices } from './support.mjs'

let server, services
before(async () => {
  server = await startGateway(JSON.parse(readFileSync(new URL('../../samples/microservices/routes.json', import.meta.url))).routes)
  services = await startServices()
  await om.serve(await services.channel())
  await legacy.serve(await services.channel())
})
after(async () => {
  await services?.end()
  await server?.stop()
})

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
