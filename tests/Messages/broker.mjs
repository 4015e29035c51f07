// A RabbitMQ of a test's own, which may die and come back.
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { within } from './support.mjs'

const BINARIES = '/usr/lib/rabbitmq/bin'

// Below the range from which the system gives ports to those who do not mind.
async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const free = await new Promise(done => {
      const server = createServer().once('error', () => done(false)).listen(port, '127.0.0.1', () => server.close(() => done(true)))
    })
    if (free) return port
  }
}

export async function startBroker() {
  const folder = mkdtempSync(join(tmpdir(), 'flatrender-rabbit-'))
  const at = name => join(folder, name)
  const [port, distribution, names] = [await freePort(), await freePort(), await freePort()]
  for (const part of ['mnesia', 'log']) mkdirSync(at(part))
  writeFileSync(at('empty'), '')
  writeFileSync(at('plugins'), '[].\n')
  writeFileSync(at('rabbitmq.conf'), `listeners.tcp.local = 127.0.0.1:${port}\ndisk_free_limit.absolute = 50MB\n`)
  const env = {
    ...process.env, HOME: folder, ERL_EPMD_PORT: String(names), ERL_EPMD_ADDRESS: '127.0.0.1', RABBITMQ_CONF_ENV_FILE: at('empty'), RABBITMQ_CONFIG_FILE: at('rabbitmq.conf'), RABBITMQ_NODENAME: `messages-${port}@localhost`,
    RABBITMQ_NODE_PORT: String(port), RABBITMQ_DIST_PORT: String(distribution), RABBITMQ_MNESIA_BASE: at('mnesia'), RABBITMQ_LOG_BASE: at('log'), RABBITMQ_LOGS: '-', RABBITMQ_ENABLED_PLUGINS_FILE: at('plugins'), RABBITMQ_PID_FILE: at('pid'),
  }
  // Also where the tests end before they could stop it.
  process.once('exit', () => {
    try {
      process.kill(-node.pid, 'SIGKILL')
    } catch {
      // It is gone.
    }
    resolver.kill()
  })
  const resolver = spawn('epmd', ['-port', String(names), '-address', '127.0.0.1'], { env, stdio: 'ignore' })
  let node
  const broker = {
    url: `amqp://guest:guest@127.0.0.1:${port}/`,
    async start() {
      // A group of its own: the server is a shell that starts another process.
      node = spawn(`${BINARIES}/rabbitmq-server`, { env, stdio: ['ignore', 'pipe', 'ignore'], detached: true })
      let words = ''
      await within('RabbitMQ starts', new Promise((ready, failed) => {
        node.stdout.on('data', text => (words += text).includes('Server startup complete') && ready())
        node.once('exit', code => failed(new Error(`RabbitMQ ended with ${code}:\n${words}`)))
      }))
    },
    async die() {
      const ended = new Promise(done => (node.exitCode ?? node.signalCode) === null ? node.once('exit', done) : done())
      process.kill(-node.pid, 'SIGKILL')
      await ended
    },
    /** What `rabbitmqctl` lists, line by line. */
    list: (what, column) => execFileSync(`${BINARIES}/rabbitmqctl`, ['-q', '--no-table-headers', what, column], { env, encoding: 'utf8' }).split('\n').filter(Boolean),
    control: (...words) => execFileSync(`${BINARIES}/rabbitmqctl`, ['-q', ...words], { env, encoding: 'utf8' }),
    async stop() {
      await broker.die().catch(() => {})
      resolver.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  await broker.start()
  return broker
}
