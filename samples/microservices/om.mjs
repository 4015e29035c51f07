// A microservice behind the message gateway, in the `om` dialect. Run it: npm install amqplib && node om.mjs amqp://guest:guest@127.0.0.1:5672
import { pathToFileURL } from 'node:url'

const EXCHANGE = 'open-matchmaking.direct'
const RESPONSES = 'open-matchmaking.responses.direct'
const KEY = 'matchmaking.games.search'
const NEEDED = 'matchmaking.games.search'

/** What the service does: the content that was asked with, the content that is answered. */
function search({ 'Player-ID': player, 'Game-Mode': mode }) {
  if (typeof player !== 'string' || typeof mode !== 'string') throw new Refusal('ValidationError', { 'Player-ID': 'is a text', 'Game-Mode': 'is a text' })
  return { 'Server-IP': '127.0.0.1:5000', 'Access-Token': `for ${player}`, Team: mode.length % 2 ? 'blue' : 'red' }
}

class Refusal extends Error {
  constructor(type, details) {
    super(type)
    this.error = { type, details }
  }
}

/** Declares what it needs, then answers until the channel closes. */
export async function serve(channel) {
  await channel.assertExchange(EXCHANGE, 'direct', { durable: true })
  await channel.assertExchange(RESPONSES, 'direct', { durable: true })
  await channel.assertQueue(KEY, { durable: true })
  await channel.bindQueue(KEY, EXCHANGE, KEY)
  await channel.prefetch(50)
  await channel.consume(KEY, message => {
    // The broker has taken the queue away.
    if (!message) return
    const { headers, correlationId, replyTo } = message.properties
    let answer
    try {
      // The gateway has checked who asks; what they may do is the service's to decide.
      if (!headers.om_permissions.split(';').includes(NEEDED)) throw new Refusal('Forbidden', `This needs ${NEEDED}.`)
      // No content is an empty body.
      answer = { content: search(message.content.length ? JSON.parse(message.content) : {}) }
    } catch (e) {
      answer = { error: e.error ?? { type: 'BadRequest', details: e.message } }
    }
    // "null" says that nobody waits.
    if (correlationId !== 'null') channel.publish(RESPONSES, replyTo, Buffer.from(JSON.stringify({ ...answer, 'event-name': correlationId })), { contentType: 'application/json', correlationId })
    channel.ack(message)
  })
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { connect } = (await import('amqplib')).default
  await serve(await (await connect(process.argv[2] ?? 'amqp://guest:guest@127.0.0.1:5672')).createChannel())
  console.log('ready')
}
