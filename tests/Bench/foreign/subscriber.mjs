// Somebody else's program: hears FlatRender's facts over AMQP with Node's amqplib, on a durable queue of its own, and says each as a line of JSON.
// usage: node subscriber.mjs AMQP_URL[,URL...] QUEUE BINDING
import { createRequire } from 'node:module'

const amqp = createRequire(new URL('../../Sockets/package.json', import.meta.url))('amqplib')
const [urls, queue, binding] = process.argv.slice(2)
const AGAIN = 300

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
      say({ key: message.fields.routingKey, redelivered: message.fields.redelivered, properties, headers, body: JSON.parse(message.content) }).then(() => {
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
