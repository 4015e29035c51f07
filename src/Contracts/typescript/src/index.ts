import type { NewRender, Render } from './messages.js'
import { Watch, type WatchOptions } from './watch.js'

export * from './messages.js'
export { Watch, type Ending, type WatchOptions } from './watch.js'

export interface Options {
  /** Where the API is: https://api.flatrender.ir */
  baseUrl: string
  /** An access token, or how to get a fresh one: asked anew for every call and every connection. */
  token: string | (() => string | Promise<string>)
  /** Where the surroundings have none of their own (Node.js before 22 has no WebSocket). */
  fetch?: typeof globalThis.fetch
  WebSocket?: typeof globalThis.WebSocket
}

/** A refusal of the API: its envelope, as an error. */
export class Refusal extends Error {
  override name = 'Refusal'
  constructor(readonly status: number, readonly code: string, message: string, readonly details: { field?: string; code: string; message: string }[], readonly traceId: string) {
    super(message)
  }
}

/** The API of FlatRender, as far as a program needs it that wants films. */
export class FlatRender {
  readonly #options: Options

  constructor(options: Options) {
    this.#options = options
  }

  /** Accepted means stored. Sent again with the same key it is the same render. */
  submit(render: NewRender, options: { idempotencyKey?: string; signal?: AbortSignal } = {}): Promise<Render> {
    return this.#call('POST', '/v1/renders', render, options.signal, options.idempotencyKey ? { 'Idempotency-Key': options.idempotencyKey } : {})
  }

  get(job: string, signal?: AbortSignal): Promise<Render> {
    return this.#call('GET', `/v1/renders/${encodeURIComponent(job)}`, undefined, signal)
  }

  cancel(job: string, reason?: string, signal?: AbortSignal): Promise<Render> {
    return this.#call('POST', `/v1/renders/${encodeURIComponent(job)}/cancel`, { reason }, signal)
  }

  retry(job: string, reason?: string, signal?: AbortSignal): Promise<Render> {
    return this.#call('POST', `/v1/renders/${encodeURIComponent(job)}/retry`, { reason }, signal)
  }

  /** Tells what happens to a render until it has ended, whatever the network does meanwhile. */
  watch(job: string, options: WatchOptions = {}): Watch {
    return new Watch(job, {
      ...options,
      connect: async () => {
        const WebSocket = this.#options.WebSocket ?? globalThis.WebSocket
        if (!WebSocket) throw new Error('There is no WebSocket here: give one in the options.')
        const address = this.url(`/ws/v1/render/${encodeURIComponent(job)}`)
        address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:'
        address.searchParams.set('token', await this.#token())
        return new WebSocket(address, 'flatrender.v1')
      },
      poll: signal => this.get(job, signal),
    })
  }

  /** An address of the API: what a message or a render names with a slash at its beginning. */
  url(path: string): URL {
    return new URL(path, this.#options.baseUrl)
  }

  async #token(): Promise<string> {
    const { token } = this.#options
    return typeof token === 'string' ? token : await token()
  }

  async #call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal, more: Record<string, string> = {}): Promise<T> {
    const headers: Record<string, string> = { ...more, Authorization: `Bearer ${await this.#token()}` }
    if (body !== undefined) headers['Content-Type'] = 'application/json'
    const init: RequestInit = { method, headers }
    if (body !== undefined) init.body = JSON.stringify(body)
    if (signal) init.signal = signal
    const answer = await (this.#options.fetch ?? globalThis.fetch)(this.url(path), init)
    const text = await answer.text()
    if (answer.ok) return JSON.parse(text) as T
    let error: { code?: string; message?: string; details?: []; trace_id?: string } = {}
    try {
      error = JSON.parse(text).error ?? {}
    } catch {
      // Something between us and the API has answered, in words of its own.
    }
    throw new Refusal(answer.status, error.code ?? `HTTP_${answer.status}`, error.message ?? `The API answered with ${answer.status}.`, error.details ?? [], error.trace_id ?? '')
  }
}
