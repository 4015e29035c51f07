import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { bundleOf, Engine, prepare, realFile, realFiles, scratchFile } from './support.mjs'

let engine
before(() => { engine = new Engine() })
after(() => engine.close())

for (const name of realFiles()) {
  test(`${name} is prepared, the same twice, and every tenth of it renders`, async () => {
    const lottie = JSON.parse(realFile(name))
    const [one, two] = [prepare(bundleOf(lottie)), prepare(bundleOf(lottie))]
    assert.deepEqual([one.ok, one.errors], [true, []])
    assert.equal(one.template_sha256, two.template_sha256)
    const { width, height, fit, frames } = one.film
    await engine.load(one.path, width, height, '#ffffff', fit)
    const seen = await engine.frames(...Array.from({ length: 10 }, (_, i) => Math.floor(frames * i / 10)))
    assert.ok(seen.every(f => f.width === width && f.height === height))
    assert.ok(seen.some(f => f.pixels.some(b => b !== 255)), 'something is drawn')
  })
}

// No upgrade and no substitute font: preparation must not move a pixel.
for (const name of ['animated_logo.json', 'banner.json', 'penguin.json', 'rocket.json']) {
  test(`${name} looks the same after its texts are baked`, async () => {
    const text = realFile(name)
    const { path, film } = prepare(bundleOf(JSON.parse(text)))
    const draw = async file => {
      await engine.load(file, film.width, film.height)
      return engine.frames(...[0.2, 0.5, 0.8].map(part => Math.floor(film.frames * part)))
    }
    const [raw, baked] = [await draw(scratchFile(text)), await draw(path)]
    raw.forEach((frame, i) => assert.ok(frame.pixels.equals(baked[i].pixels), `frame ${i}`))
  })
}

test('Multiline.json: a soft return breaks the line outside a box too', async () => {
  const { path } = prepare(bundleOf(JSON.parse(realFile('Multiline.json'))))
  await engine.load(path, 1920, 1080)
  const [frame] = await engine.frames(0)
  const black = (x, y) => frame.at(x, y)[0] < 60
  const inkIn = (x0, y0, x1, y1) => { let n = 0; for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) if (black(x, y)) n++; return n }
  assert.equal(inkIn(700, 565, 830, 665), 0, 'nothing right of ABC')
  assert.ok(inkIn(420, 665, 500, 750) > 200, 'D on the second line')
})
