// Writes the sample templates from their designs: node samples/make.mjs
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const canvas = createRequire(new URL('../src/Services/NodeAgent/skottie/engine.mjs', import.meta.url))('@napi-rs/canvas')

for (const name of ['title-card', 'nowruz']) {
  const { design, fields, images = {} } = await import(`./${name}/design.mjs`)
  const write = (file, content) => writeFileSync(new URL(`./${name}/${file}`, import.meta.url), content)
  write('template.json', JSON.stringify(design()) + '\n')
  write('template.fields.json', JSON.stringify(fields, null, 2) + '\n')
  for (const [file, draw] of Object.entries(images)) write(`images/${file}`, draw(canvas))
}
