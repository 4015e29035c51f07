// The same in the older dialect: other headers, permissions with commas between them. Run it: npm install amqplib && node legacy.mjs amqp://guest:guest@127.0.0.1:5672
import { pathToFileURL } from 'node:url'

const EXCHANGE = 'open-matchmaking.direct'
const RESPONSES = 'open-matchmaking.responses.direct'
const NAME = 'players'
const NEEDED = 'players.profile.read'

export async function serve(channel) {
  await channel.assertExchange(EXCHANGE, 'direct', { durable: true })
  await channel.assertExchange(RESPONSES, 'direct', { durable: true })
  await channel.assertQueue(NAME, { durable: true })
  await channel.bindQueue(NAME, EXCHANGE, NAME)
  await channel.consume(NAME, message => {
    if (!message) return
    const { headers, correlationId, replyTo } = message.properties
    const may = headers.permissions.split(',').includes(NEEDED)
    const answer = headers.microservice_name !== NAME ? { error: { type: 'BadRequest', details: `This is ${NAME}.` } }
      : may ? { content: { user: headers.user_id, resource: headers.request_url } }
      : { error: { type: 'Forbidden', details: [`This needs ${NEEDED}.`] } }
    if (correlationId !== 'null') channel.publish(RESPONSES, replyTo, Buffer.from(JSON.stringify(answer)), { contentType: 'application/json', correlationId })
    channel.ack(message)
  })
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { connect } = (await import('amqplib')).default
  await serve(await (await connect(process.argv[2] ?? 'amqp://guest:guest@127.0.0.1:5672')).createChannel())
  console.log('ready')
}
