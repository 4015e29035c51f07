import type { LiveMessage, Render } from './messages.js'

export interface WatchOptions {
  /** Every message, but pings. After a reconnect a `hello` says where the render stands. */
  onMessage?: (message: LiveMessage) => void
  /** The render as the REST shows it, asked for because the socket has brought no progress for 15 s. */
  onPoll?: (render: Render) => void
  /** The connection is lost, and tried again in so many milliseconds. */
  onReconnect?: (milliseconds: number, code: number) => void
  signal?: AbortSignal
  /** Another clock, for tests. */
  clock?: Clock
}

export interface Clock {
  setTimeout(ring: () => void, milliseconds: number): unknown
  clearTimeout(timer: unknown): void
}

/** How a watch ended: the render's last message; or its state, where polling saw the end first; or why nothing can be watched. */
export type Ending =
  | { kind: 'done' | 'failed' | 'cancelled'; message: LiveMessage }
  | { kind: 'ended'; render: Render }
  | { kind: 'refused'; code: number; reason: string }
  | { kind: 'closed' }

interface Means {
  connect: () => Promise<WebSocket>
  poll: (signal: AbortSignal) => Promise<Render>
}

const QUIET = 15_000
const LONGEST = 30_000
/** Bad token, not yours, not there: coming again changes nothing. */
const FINAL = [4401, 4403, 4404]

/** One render, watched over as many sockets as it takes. */
export class Watch {
  /** Resolves once, when there is nothing more to tell. Never rejects. */
  readonly ended: Promise<Ending>
  #end!: (how: Ending) => void
  readonly #stop = new AbortController()
  readonly #options: WatchOptions & Means
  readonly #clock: Clock
  readonly #snapshots = new Set<string>()
  #socket: WebSocket | undefined
  #quiet: unknown
  #again: unknown
  #tries = 0
  #cancelling = false
  #over = false

  constructor(readonly job: string, options: WatchOptions & Means) {
    this.#options = options
    this.#clock = options.clock ?? { setTimeout: (ring, ms) => setTimeout(ring, ms), clearTimeout: timer => clearTimeout(timer as number) }
    this.ended = new Promise(end => (this.#end = end))
    if (options.signal?.aborted) this.close()
    else {
      options.signal?.addEventListener('abort', () => this.close(), { once: true })
      this.#listen()
      void this.#connect()
    }
  }

  /** Asks for the render to be cancelled; `cancelled` comes when it is. Asked again after a reconnect. */
  cancel(): void {
    this.#cancelling = true
    this.#say({ type: 'cancel_job', job_id: this.job })
  }

  /** Scene snapshot updates over the same socket, also after a reconnect. */
  subscribeSnapshot(id: string): void {
    this.#snapshots.add(id)
    this.#say({ type: 'subscribe_snapshot', snapshot_id: id })
  }

  /** Stops watching; the render goes on. */
  close(): void {
    this.#finish({ kind: 'closed' })
  }

  async #connect(): Promise<void> {
    let socket: WebSocket
    try {
      socket = await this.#options.connect()
    } catch {
      this.#retry(0)
      return
    }
    if (this.#over) {
      socket.close()
      return
    }
    this.#socket = socket
    let greeted = false
    socket.onmessage = event => {
      greeted = true
      this.#hear(String(event.data))
    }
    // A close always follows an error.
    socket.onerror = () => {}
    socket.onclose = event => {
      if (this.#socket !== socket) return
      this.#socket = undefined
      // A token that ended while it was in use: there may be a fresh one.
      if (FINAL.includes(event.code) && !(event.code === 4401 && greeted)) this.#finish({ kind: 'refused', code: event.code, reason: event.reason })
      // Closed in the middle for being too fast: come again as late as ever.
      else this.#retry(event.code)
    }
  }

  /** 1, 2, 4, 8, 16, 30, 30 ... seconds. */
  #retry(code: number): void {
    if (this.#over) return
    const wait = code === 4429 ? LONGEST : Math.min(1000 * 2 ** this.#tries++, LONGEST)
    this.#options.onReconnect?.(wait, code)
    this.#again = this.#clock.setTimeout(() => void this.#connect(), wait)
  }

  #hear(text: string): void {
    if (this.#over) return
    const message = JSON.parse(text) as LiveMessage
    switch (message.type) {
      case 'ping':
        this.#say({ type: 'pong', t: message.t })
        return
      case 'hello':
        this.#tries = 0
        for (const id of this.#snapshots) this.#say({ type: 'subscribe_snapshot', snapshot_id: id })
        if (this.#cancelling) this.#say({ type: 'cancel_job', job_id: this.job })
        break
      case 'progress':
        this.#listen()
        break
    }
    this.#options.onMessage?.(message)
    if (message.type === 'done' || message.type === 'failed' || message.type === 'cancelled') this.#finish({ kind: message.type, message })
  }

  /** The socket is best effort: without progress for so long, the REST is asked, and again after as long. */
  #listen(): void {
    this.#clock.clearTimeout(this.#quiet)
    if (!this.#over) this.#quiet = this.#clock.setTimeout(() => void this.#poll(), QUIET)
  }

  async #poll(): Promise<void> {
    try {
      const render = await this.#options.poll(this.#stop.signal)
      if (this.#over) return
      this.#options.onPoll?.(render)
      if (render.step === 'Done' || render.step === 'Failed' || render.step === 'Cancelled') this.#finish({ kind: 'ended', render })
    } catch {
      // As best it can, too: the next time, perhaps.
    }
    this.#listen()
  }

  #say(message: object): void {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(message))
  }

  #finish(how: Ending): void {
    if (this.#over) return
    this.#over = true
    this.#clock.clearTimeout(this.#quiet)
    this.#clock.clearTimeout(this.#again)
    this.#stop.abort()
    const socket = this.#socket
    this.#socket = undefined
    if (socket && socket.readyState < 2) socket.close(1000)
    this.#end(how)
  }
}
