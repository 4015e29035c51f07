// What the outside suites share: a gateway with routes of its own, clients of Node's `ws`, and microservices that do as they are told.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import amqp from 'amqplib'
import WebSocket from 'ws'
import { startServer, within } from '../Sockets/support.mjs'

export { within }
export const BROKER = process.env.FLATRENDER_TEST_RABBITMQ
export const RESPONSES = 'open-matchmaking.responses.direct'

/** A host with all roles at the broker, whose message gateway serves these routes. */
export async function startGateway(routes, { broker = BROKER, limits, options = [] } = {}) {
  assert.ok(broker, 'FLATRENDER_TEST_RABBITMQ is not set. Run ./flatrender test: it starts a private RabbitMQ and sets it.')
  const folder = mkdtempSync(join(tmpdir(), 'flatrender-messages-'))
  const file = join(folder, 'routes.json')
  const write = (routes, limits) => writeFileSync(file, JSON.stringify({ routes, limits }))
  write(routes, limits)
  const server = await startServer(['--broker', broker, '--messages', file, ...options]).catch(error => {
    rmSync(folder, { recursive: true, force: true })
    throw error
  })
  const stop = server.stop
  return Object.assign(server, {
    write,
    writeText: text => writeFileSync(file, text),
    /** A number at /metrics: of every series of this name whose labels hold these. */
    async metric(name, labels = '') {
      const text = await (await fetch(server.url + '/metrics')).text()
      return text.split('\n').filter(l => (l.startsWith(name + '{') || l.startsWith(name + ' ')) && l.includes(labels)).reduce((sum, l) => sum + Number(l.slice(l.lastIndexOf(' '))), 0)
    },
    connect: () => Client.open(server),
    async stop() {
      await stop()
      rmSync(folder, { recursive: true, force: true })
    },
  })
}

/** A client that keeps all it is told. */
export class Client {
  messages = []
  #more = []
  static async open(server) {
    const client = new Client()
    client.socket = new WebSocket(server.url.replace('http', 'ws') + '/ws/v1/messages')
    client.socket.on('message', (data, binary) => {
      assert.equal(binary, false)
      client.messages.push(String(data))
      for (const wake of client.#more.splice(0)) wake()
    })
    client.closed = new Promise(done => client.socket.on('close', (code, reason) => done({ code, reason: String(reason) })))
    client.closed.then(() => client.#more.splice(0).forEach(wake => wake()))
    await within('the socket opens', new Promise((open, failed) => {
      client.socket.once('open', open)
      client.socket.on('error', failed)
    }))
    return client
  }

  /** Text as it is; anything else as JSON. */
  say(message) {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message))
  }

  /** The next message as text: each is taken once. */
  async nextText(what = 'a message') {
    const seen = async () => {
      while (this.messages.length === 0) {
        assert.notEqual(this.socket.readyState, WebSocket.CLOSED, `closed before ${what}`)
        await new Promise(wake => this.#more.push(wake))
      }
      return this.messages.shift()
    }
    return within(what, seen())
  }

  async next(what) {
    return JSON.parse(await this.nextText(what))
  }

  async ask(message) {
    this.say(message)
    return this.next(`an answer to ${JSON.stringify(message).slice(0, 200)}`)
  }

  /** The error it is told next, checked to be one of the protocol: two members, each of them two. */
  async error(message) {
    if (message !== undefined) this.say(message)
    const told = await this.next('an error')
    assert.deepEqual(Object.keys(told).sort(), ['error', 'event-name'])
    assert.deepEqual(Object.keys(told.error).sort(), ['details', 'type'])
    assert.equal(typeof told.error.type, 'string')
    assert.ok(told.error.details)
    return told
  }

  close() {
    this.socket.close()
    return within('the close', this.closed)
  }
}

/** A connection to the broker on which microservices live. `services.end()` ends them all. */
export async function startServices(broker = BROKER) {
  const connection = await amqp.connect(broker)
  connection.on('error', () => {})
  return {
    connection,
    channel: () => connection.createChannel(),
    /** A microservice with a queue of its own: it keeps what it gets, and answers when it is told to. */
    async puppet(exchange, key, answer) {
      const channel = await connection.createChannel()
      channel.on('error', () => {})
      await channel.assertExchange(exchange, 'direct', { durable: false, autoDelete: false })
      const { queue } = await channel.assertQueue('', { exclusive: true })
      await channel.bindQueue(queue, exchange, key)
      const got = []
      const more = []
      const puppet = {
        channel,
        queue,
        got,
        /** The next request that came, once. */
        async next(what = `a request at ${key}`) {
          if (got.length === 0) await within(what, new Promise(wake => more.push(wake)))
          return got.shift()
        },
        reply(request, body, { responses = RESPONSES, ...properties } = {}) {
          const bytes = body instanceof Buffer ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
          channel.publish(responses, request.properties.replyTo, bytes, { contentType: 'application/json', correlationId: request.properties.correlationId, ...properties })
        },
      }
      await channel.consume(queue, message => {
        if (!message) return
        channel.ack(message)
        if (answer) return answer(message, puppet)
        got.push(message)
        more.shift()?.()
      })
      return puppet
    },
    end: () => connection.close().catch(() => {}),
  }
}

export const unique = () => randomUUID().slice(0, 8)
