import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { Engine, prepare, sample } from './support.mjs'

const file = path => new URL(`../../samples/${path}`, import.meta.url)
let engine
before(() => { engine = new Engine() })
after(() => engine.close())

for (const name of ['title-card', 'nowruz']) {
  test(`${name} is what its design says`, async () => {
    const { design, fields } = await import(file(`${name}/design.mjs`))
    assert.deepEqual(JSON.parse(readFileSync(file(`${name}/template.json`))), JSON.parse(JSON.stringify(design())))
    assert.deepEqual(JSON.parse(readFileSync(file(`${name}/template.fields.json`))), fields)
  })

  test(`${name} is prepared without a word and weighs little`, () => {
    const { ok, warnings, film } = prepare(sample(name))
    assert.deepEqual([ok, warnings, film.width, film.height, film.rate_num], [true, [], 1920, 1080, 30])
    assert.ok(statSync(file(`${name}/still.jpg`)).size <= 120 * 1024)
  })

  test(`${name} shows every field it offers`, async () => {
    const { fields: { fields } } = sample(name)
    const draw = async inputs => {
      const { errors, path } = prepare(sample(name), { inputs })
      assert.deepEqual(errors, [])
      await engine.load(path, 480, 270)
      return (await engine.frames(140))[0].pixels
    }
    const plain = await draw({})
    const mark = sample(name).assets['images/logo.png'] && `data:image/png;base64,${PIXEL}`
    for (const { key, type } of fields)
      assert.ok(!plain.equals(await draw({ [key]: { text: 'Grüße', color: '#13579b', image: mark }[type] })), `${key} changes the picture`)
  })
}

// One red pixel.
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=='
