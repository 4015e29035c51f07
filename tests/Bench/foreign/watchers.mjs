// Many people watching their renders with the TypeScript client, over live sockets. Reads "JOB URL" lines, says how each watch ended.
// usage: TOKEN=... node watchers.mjs FOLDER   (the client, compiled)
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const WebSocket = createRequire(new URL('../../Sockets/package.json', import.meta.url))('ws')
const { FlatRender } = await import(pathToFileURL(join(process.argv[2], 'index.js')))
const say = line => process.stdout.write(JSON.stringify(line) + '\n')

say({ ready: true })
for await (const line of createInterface({ input: process.stdin })) {
  const [job, baseUrl] = line.split(' ')
  let lost = 0
  const watch = new FlatRender({ baseUrl, token: process.env.TOKEN, WebSocket }).watch(job, { onReconnect: () => lost++ })
  watch.ended.then(end => say({ job, how: end.kind === 'ended' ? end.render.step.toLowerCase() : end.kind, polled: end.kind === 'ended', lost }))
}
