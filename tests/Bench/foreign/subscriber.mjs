// Somebody else's program: hears FlatRender's facts over AMQP with Node's amqplib, on a durable queue of its own, and says each as a line of JSON,
// with whatever in it is not as the published documents say. It knows FlatRender by these alone.
// usage: node subscriber.mjs AMQP_URL[,URL...] QUEUE BINDING
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isDeepStrictEqual } from 'node:util'

const require = createRequire(new URL('../../Sockets/package.json', import.meta.url))
const amqp = require('amqplib')
const { parse } = require('@stoplight/yaml')
const document = path => parse(readFileSync(new URL('../../../src/Contracts/' + path, import.meta.url), 'utf8'))
const [urls, queue, binding] = process.argv.slice(2)
const AGAIN = 300

const { components } = document('asyncapi.yaml')
const ajv = require('ajv-formats').default(new (require('ajv/dist/2020.js').default)({ strict: false, allErrors: true }))
const headersAreRight = ajv.compile(components.schemas.event_headers)
const bodies = new Map()
function bodyIsRight(name) {
  if (!bodies.has(name)) {
    const [file, place] = components.messages[name].payload.$ref.split('#/$defs/')
    bodies.set(name, ajv.compile(document(file).$defs[place]))
  }
  return bodies.get(name)
}

function complaints(key, properties, headers, body) {
  if (!components.messages[key]) return [`nobody has told of ${key}`]
  const found = []
  if (!headersAreRight(headers)) found.push(...headersAreRight.errors)
  if (!bodyIsRight(key)(body)) found.push(...bodyIsRight(key).errors)
  const right = { contentType: components.messages[key].contentType, deliveryMode: 2, type: key, correlationId: headers.stream_id }
  const is = Object.fromEntries(Object.keys(right).map(name => [name, properties[name]]))
  if (!isDeepStrictEqual(is, right) || headers.type !== key || !properties.messageId || !properties.timestamp) found.push({ is, right })
  return found
}

const say = line => new Promise(done => process.stdout.write(JSON.stringify(line) + '\n', done))

async function listen(url) {
  const connection = await amqp.connect(url, { timeout: 5000, heartbeat: 10 })
  const gone = new Promise(done => connection.once('close', done))
  // A close always follows.
  connection.on('error', () => {})
  try {
    const channel = await connection.createChannel()
    channel.on('error', () => {})
    await channel.assertExchange('flatrender.events', 'topic', { durable: true })
    await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
    await channel.bindQueue(queue, 'flatrender.events', binding)
    await channel.prefetch(100)
    await channel.consume(queue, message => {
      if (!message) return connection.close().catch(() => {})
      const { headers, ...properties } = message.properties
      // Said first, then taken: what is not said comes again.
      const { routingKey: key, redelivered } = message.fields
      const body = JSON.parse(message.content)
      say({ key, redelivered, properties, headers, body, complaints: complaints(key, properties, headers, body) }).then(() => {
        try {
          channel.ack(message)
        } catch {
          // Cut meanwhile: it comes again.
        }
      })
    })
    await say({ ready: true })
    await gone
  } finally {
    await connection.close().catch(() => {})
  }
}

for (let turn = 0; ; turn++) {
  const all = urls.split(',')
  await listen(all[turn % all.length]).catch(() => {})
  await new Promise(again => setTimeout(again, AGAIN))
}
