import assert from 'node:assert/strict'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { Engine, ENGINE, prepare, sample, scratchFile } from './support.mjs'

const hash = frame => createHash('sha256').update(frame.pixels).digest('hex')

async function using(work, inherited) {
  const engine = new Engine(inherited)
  try {
    return await work(engine)
  } finally {
    assert.equal(await engine.close(), 0)
  }
}

test('The engine says who it is, by the digest of what draws', () => using(async engine => {
  const hello = await engine.ask({ id: 7, op: 'hello' })
  assert.deepEqual({ ...hello, version: '', digest: '' }, { id: 7, engine: 'skottie', version: '', digest: '' })
  assert.match(hello.version, /^\d+\.\d+\.\d+$/)
  assert.match(hello.digest, /^[0-9a-f]{64}$/)
  assert.notEqual(hello.digest, createHash('sha256').update(readFileSync(ENGINE)).digest('hex'))
}))

test('A line that is no request is answered, and the next one is served', () => using(async engine => {
  for (const line of ['garbage\n', '[]\n', 'null\n', '{"id":1,"op":"explode"}\n', '{"op":"constructor"}\n'])
    assert.deepEqual(Object.keys((engine.say(line), await engine.hear())).sort(), ['error', 'id'])
  engine.say('\n\n')
  assert.equal((await engine.ask({ id: 2, op: 'hello' })).id, 2)
}))

test('What cannot be loaded or rendered is an error with a code', () => using(async engine => {
  const good = prepare(sample('title-card')).path
  const code = async request => (await engine.ask({ id: 5, width: 100, height: 100, ...request })).error.code
  assert.equal(await code({ op: 'render', frames: [] }), 'NOTHING_LOADED')
  assert.equal(await code({ op: 'load', template: scratchFile('not json') }), 'TEMPLATE_INVALID')
  assert.equal(await code({ op: 'load', template: scratchFile('{}') }), 'TEMPLATE_INVALID')
  assert.equal(await code({ op: 'load', template: '/nowhere/at/all.json' }), 'TEMPLATE_INVALID')
  assert.equal(await code({ op: 'load', template: good, width: 0 }), 'BAD_REQUEST')
  assert.equal(await code({ op: 'load', template: good, background: 'red' }), 'BAD_REQUEST')
  await engine.load(good, 64, 36)
  assert.equal(await code({ op: 'render', frames: [{ index: 0 }] }), 'BAD_REQUEST')
}))

test('A frame is opaque, over its background, in its place', () => using(async engine => {
  const square = { v: '5.9.0', fr: 30, ip: 0, op: 30, w: 100, h: 100, layers: [{ ty: 1, sc: '#00ff00', sw: 100, sh: 100, ks: { o: { a: 0, k: 100 } }, ip: 0, op: 30, st: 0 }] }
  await engine.load(scratchFile(JSON.stringify(square)), 300, 200, '#123456', { x: 50, y: 0, width: 200, height: 200 })
  const [frame] = await engine.frames(0)
  assert.deepEqual([frame.at(10, 100), frame.at(150, 100), frame.at(290, 100)], [[0x12, 0x34, 0x56, 255], [0, 255, 0, 255], [0x12, 0x34, 0x56, 255]])
}))

test('A fractional position lies between its neighbours', () => using(async engine => {
  const moving = { v: '5.9.0', fr: 30, ip: 0, op: 30, w: 100, h: 10, layers: [{ ty: 1, sc: '#000000', sw: 1, sh: 10, ks: { p: { a: 1, k: [{ t: 0, s: [0, 0], i: { x: 1, y: 1 }, o: { x: 0, y: 0 } }, { t: 10, s: [50, 0] }] } }, ip: 0, op: 30, st: 0 }] }
  await engine.load(scratchFile(JSON.stringify(moving)), 1000, 100)
  const left = (await engine.frames(1, 1.5, 2)).map(f => f.columns()[0][0])
  assert.deepEqual(left, [50, 75, 100])
}))

test('A frame has the same bytes whatever the order and the process', async () => {
  const { path } = prepare(sample('nowruz'))
  const draw = order => using(async engine => {
    await engine.load(path, 480, 270)
    const frames = await engine.frames(...order)
    return Object.fromEntries(order.map((at, i) => [at, hash(frames[i])]))
  })
  const order = [0, 30, 60, 90, 120, 150, 179]
  const first = await draw(order)
  assert.equal(new Set(Object.values(first)).size, order.length)
  assert.deepEqual(await draw([...order].reverse()), Object.fromEntries([...order].reverse().map(at => [at, first[at]])))
  assert.deepEqual(await draw(order), first)
})

test('Frames in shared memory are those in the pipe, and no slot is written again before its frame was taken', async () => {
  const { path } = prepare(sample('title-card'))
  const frames = [0, 30, 60, 90, 120]
  const piped = await using(async engine => {
    await engine.load(path, 480, 270)
    return (await engine.frames(...frames)).map(hash)
  })
  const [slots, bytes] = [2, 480 * 270 * 4]
  const room = scratchFile(Buffer.alloc(slots * bytes))
  const fd = openSync(room, 'r+')
  const shared = []
  const seen = slot => hash({ pixels: readFileSync(room).subarray(slot * bytes, (slot + 1) * bytes) })
  await using(async engine => {
    await engine.load(path, 480, 270)
    engine.say({ id: 5, op: 'render', frames: frames.map((at, index) => ({ index, at })), room: { fd: 3, slots, bytes, input: engine.input } })
    for (let i = 0; i < frames.length; i++) {
      assert.deepEqual(await engine.hear(), { id: 5, index: i, bytes, slot: i % slots })
      shared.push(seen(i % slots))
      // What is said of another request frees nothing. The frame before is still there, and only now its slot may be written.
      engine.say({ op: 'taken', id: 4, slot: 0 })
      if (i === 0) continue
      assert.equal(seen((i - 1) % slots), shared[i - 1])
      engine.say({ op: 'taken', id: 5, slot: (i - 1) % slots })
    }
    assert.equal((await engine.hear()).done, true)
  }, fd)
  assert.deepEqual(shared, piped)
  closeSync(fd)
})

test('Memory that is not there, not as large as was said, or offered by somebody who speaks through another is not written: frames come through the pipe', async () => {
  const [slots, bytes] = [2, 480 * 270 * 4]
  const fd = openSync(scratchFile(Buffer.alloc(slots * bytes)), 'r+')
  await using(async engine => {
    await engine.load(prepare(sample('title-card')).path, 480, 270)
    const good = { fd: 3, slots, bytes, input: engine.input }
    for (const room of [{ ...good, fd: 77 }, { ...good, fd: 1 }, { ...good, slots: 3 }, { ...good, input: good.input + 1 }, { ...good, input: null }, { fd: 1 }, 'x', null]) {
      engine.say({ id: 6, op: 'render', frames: [{ index: 0, at: 0 }], room })
      assert.equal((await engine.hear()).pixels.length, 480 * 270 * 4)
      assert.equal((await engine.hear()).done, true)
    }
  }, fd)
  closeSync(fd)
})

test('Memory stays flat over hundreds of frames of 1080p', () => using(async engine => {
  const resident = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${engine.pid}/status`, 'utf8'))[1]) / 1024
  await engine.load(prepare(sample('title-card')).path, 1920, 1080)
  const sizes = []
  for (let round = 0; round < 3; round++) {
    engine.say({ id: 1, op: 'render', frames: Array.from({ length: 50 }, (_, i) => ({ index: i, at: i * 3 })) })
    for (let seen = 0; seen < 50; seen++) await engine.hear()
    assert.equal((await engine.hear()).done, true)
    sizes.push(resident())
  }
  assert.ok(Math.max(...sizes) < 500, `${sizes} MiB`)
  assert.ok(sizes.at(-1) - sizes[1] < 64, `${sizes} MiB`)
}))
