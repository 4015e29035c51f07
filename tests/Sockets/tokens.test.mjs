// Tokens from outside: checked by a library that is not ours, and forged by it.
import assert from 'node:assert/strict'
import { createSecretKey, randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { SignJWT, UnsecuredJWT, createLocalJWKSet, decodeJwt, decodeProtectedHeader, exportJWK, exportSPKI, generateKeyPair, importJWK, jwtVerify } from 'jose'
import { Client, call, startServer, submit, within } from './support.mjs'

let server, job, mine
before(async () => {
  server = await startServer()
  mine = await call(server, 'POST', '/v1/auth/register', { email: 'jo@example.org', password: 'a long password', name: 'Jo' }, null)
  job = await submit(server, undefined, mine.access_token)
})
after(() => server?.stop())

const expected = { issuer: 'flatrender', audience: 'flatrender', algorithms: ['ES256'] }
const published = async () => (await fetch(server.url + '/.well-known/jwks.json')).json()
const status = async token => (await fetch(server.url + '/v1/auth/me', { headers: { authorization: `Bearer ${token}` } })).status

test('what the server signs is good for another library, with the keys it publishes, also after a rotation', async () => {
  const { payload, protectedHeader } = await jwtVerify(mine.access_token, createLocalJWKSet(await published()), expected)
  assert.equal(protectedHeader.alg, 'ES256')
  assert.equal(payload.tenant_id, mine.user.tenant_id)
  assert.equal(payload.user_id, mine.user.user_id)
  assert.equal(payload.exp - payload.iat, 900)
  for (const key of (await published()).keys) assert.deepEqual([key.kty, key.crv, key.use, key.d], ['EC', 'P-256', 'sig', undefined])

  const before = (await published()).keys.length
  await call(server, 'POST', '/v1/support/signing-keys/rotate')
  const after = await published()
  assert.equal(after.keys.length, before + 1)
  await jwtVerify(mine.access_token, createLocalJWKSet(after), expected)
  const { access_token: next } = await call(server, 'POST', '/v1/auth/login', { email: 'jo@example.org', password: 'a long password' }, null)
  await jwtVerify(next, createLocalJWKSet(after), expected)
})

test('no forgery opens anything, neither the REST nor a socket', async () => {
  const real = decodeJwt(mine.access_token)
  const { kid } = decodeProtectedHeader(mine.access_token)
  const jwk = (await published()).keys.find(k => k.kid === kid)
  const spki = await exportSPKI(await importJWK(jwk, 'ES256'))
  const stranger = await generateKeyPair('ES256', { extractable: true })
  const theirs = { ...(await exportJWK(stranger.publicKey)), kid: 'theirs', alg: 'ES256', use: 'sig' }
  const sign = (header, payload, key = server.key) => new SignJWT(payload).setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: 'tests', ...header }).sign(key)
  const [head, body, signature] = mine.access_token.split('.')
  const part = json => Buffer.from(JSON.stringify(json)).toString('base64url')
  const now = Math.floor(Date.now() / 1000)

  // A key of the test's own is among the published ones: what is refused below is refused for what it says, not for who signed it.
  assert.equal(await status(await sign({}, real)), 200)
  const forgeries = {
    'no algorithm': new UnsecuredJWT(real).encode(),
    'no algorithm, a known key': `${part({ alg: 'none', typ: 'JWT', kid })}.${body}.`,
    'no algorithm, the old signature': `${part({ alg: 'none', typ: 'JWT', kid })}.${body}.${signature}`,
    'the public key as a secret (PEM)': await sign({ alg: 'HS256', kid }, real, createSecretKey(Buffer.from(spki))),
    'the public key as a secret (x)': await sign({ alg: 'HS256', kid }, real, createSecretKey(Buffer.from(jwk.x, 'base64url'))),
    "a stranger's signature": await sign({ kid }, real, stranger.privateKey),
    "a stranger's key id": await sign({ kid: 'theirs' }, real, stranger.privateKey),
    'a key that comes along': await sign({ kid, jwk: theirs }, real, stranger.privateKey),
    'a key that comes along, unnamed': await sign({ kid: undefined, jwk: theirs }, real, stranger.privateKey),
    'a key that it points to': await sign({ kid: 'theirs', jku: server.url + '/.well-known/jwks.json' }, real, stranger.privateKey),
    'a key id with SQL': await sign({ kid: "tests' OR '1'='1" }, real),
    'a key id with a path': await sign({ kid: '../../../../dev/null' }, real, stranger.privateKey),
    'more roles': `${head}.${part({ ...real, roles: ['owner', 'support'], permissions: ['support:write'] })}.${signature}`,
    "another tenant's": `${head}.${part({ ...real, tenant_id: randomUUID() })}.${signature}`,
    'another signature': `${head}.${body}.${Buffer.alloc(64).toString('base64url')}`,
    'a DER signature': `${head}.${body}.${Buffer.concat([Buffer.from('3044', 'hex'), Buffer.alloc(68, 1)]).toString('base64url')}`,
    'expired': await sign({}, { ...real, iat: now - 1000, nbf: now - 1000, exp: now - 100 }),
    'not yet valid': await sign({}, { ...real, nbf: now + 600 }),
    'for another audience': await sign({}, { ...real, aud: 'others' }),
    'of another issuer': await sign({}, { ...real, iss: 'https://flatrender.example' }),
    'without an end': await sign({}, { ...real, exp: undefined }),
    'with demands': await new SignJWT(real).setProtectedHeader({ alg: 'ES256', kid: 'tests', crit: ['x'], x: 1 }).sign(server.key, { crit: { x: true } }),
    'a refresh token': mine.refresh_token,
  }
  for (const [what, token] of Object.entries(forgeries)) {
    assert.equal(await status(token), 401, what)
    const client = new Client(server, job, { token })
    assert.equal((await within('the close', client.closed)).code, 4401, what)
    assert.deepEqual(client.messages, [], what)
  }

  const long = await sign({}, { ...real, padding: 'x'.repeat(100_000) })
  assert.ok([400, 401, 431].includes(await status(long)), `${await status(long)}`)
  assert.equal(await status(mine.access_token), 200)
})
