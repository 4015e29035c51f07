// The engine's library and nothing else: every frame of a prepared template as raw RGBA on standard output.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const [engine, template, width, height, frames, step, background] = process.argv.slice(2)
const { createCanvas, LottieAnimation } = createRequire(engine)('@napi-rs/canvas')
const animation = LottieAnimation.loadFromData(readFileSync(template, 'utf8'))
const canvas = createCanvas(Number(width), Number(height))
const context = canvas.getContext('2d')
for (let i = 0; i < Number(frames); i++) {
  context.fillStyle = background
  context.fillRect(0, 0, canvas.width, canvas.height)
  animation.seekFrame(i * Number(step))
  animation.render(context, { x: 0, y: 0, width: canvas.width, height: canvas.height })
  const pixels = canvas.data()
  await new Promise(resolve => process.stdout.write(pixels, resolve))
  if (i % 2 === 1) await new Promise(setImmediate)
}
