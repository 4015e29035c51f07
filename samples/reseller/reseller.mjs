// A reseller's program: signs its calls, submits a render, waits for it, keeps the film. Node.js 20, nothing to install.
//
//   FLATRENDER_URL=... FLATRENDER_API_KEY=<id> FLATRENDER_API_SECRET=<secret> node reseller.mjs TEMPLATE.json film.mp4 [NAME=TEXT ...]
import { createHash, createHmac, randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { basename } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'

/** The X-Signature of a call, as src/Contracts/rest/reseller.md tells it. `path` is as it stands in the request line, query and all. */
export function signature({ secret, method, path, digest, timestamp, nonce, idempotencyKey }) {
  const text = [method, path, digest, timestamp, nonce, ...(idempotencyKey === undefined ? [] : [idempotencyKey])].join('\n')
  return createHmac('sha256', secret).update(text).digest('hex')
}

export const digestOf = body => createHash('sha256').update(body).digest('hex')

export class Reseller {
  #url; #key; #secret

  constructor({ url, key, secret }) {
    [this.#url, this.#key, this.#secret] = [new URL(url), key, secret]
  }

  /** Sends a signed call. What came to nothing (no answer, 429, 503) is sent again, signed anew: a nonce is good once, an Idempotency-Key for ever. */
  async call(method, path, body, idempotencyKey) {
    const bytes = body === undefined ? '' : JSON.stringify(body)
    for (let attempt = 1; ; attempt++) {
      const call = { secret: this.#secret, method, path, digest: digestOf(bytes), timestamp: Math.floor(Date.now() / 1000), nonce: randomUUID(), idempotencyKey }
      const headers = { 'X-API-Key': this.#key, 'X-Timestamp': `${call.timestamp}`, 'X-Nonce': call.nonce, 'X-Content-SHA256': call.digest, 'X-Signature': signature(call) }
      if (idempotencyKey !== undefined) headers['Idempotency-Key'] = idempotencyKey
      if (body !== undefined) headers['Content-Type'] = 'application/json'
      const answer = await fetch(new URL(path, this.#url), { method, headers, body: body === undefined ? undefined : bytes, redirect: 'error' }).catch(problem => ({ problem }))
      if (answer.ok) return answer
      const again = answer.problem || answer.status === 429 || answer.status === 503
      if (!again || attempt === 5) throw answer.problem ?? new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
      await pause(1000 * (answer.headers?.get('Retry-After') ?? 2 ** attempt))
    }
  }

  async ask(method, path, body, idempotencyKey) {
    return (await this.call(method, path, body, idempotencyKey)).json()
  }

  /** Until the render has come to its end, one way or another. */
  async finished(job) {
    for (;;) {
      const render = await this.ask('GET', `/v1/renders/${job}`)
      if (['Done', 'Failed', 'Cancelled'].includes(render.step)) return render
      await pause(500)
    }
  }
}

async function main([template, film, ...texts]) {
  const { FLATRENDER_URL: url, FLATRENDER_API_KEY: key, FLATRENDER_API_SECRET: secret } = process.env
  if (!film || !url || !key || !secret) throw new Error('usage: FLATRENDER_URL=... FLATRENDER_API_KEY=... FLATRENDER_API_SECRET=... node reseller.mjs TEMPLATE.json film.mp4 [NAME=TEXT ...]')
  const reseller = new Reseller({ url, key, secret })
  const { template_id } = await reseller.ask('POST', '/v1/templates', { name: basename(template), lottie: JSON.parse(await readFile(template, 'utf8')) })
  const inputs = Object.fromEntries(texts.map(text => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]))
  // Your own order's number does well as the key: however often it is sent, it is one render and is paid once.
  const { job_id } = await reseller.ask('POST', '/v1/renders', { template_id, inputs }, `order ${randomUUID()}`)
  const render = await reseller.finished(job_id)
  if (render.step !== 'Done') throw new Error(`The render ended as ${render.step}: ${render.reason}`)
  await pipeline((await reseller.call('GET', `/v1/renders/${job_id}/film`)).body, createWriteStream(film))
  console.log(JSON.stringify({ job_id, film, bytes: render.size_bytes }))
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(process.argv.slice(2)).catch(problem => {
  console.error(problem.message)
  process.exitCode = 1
})
