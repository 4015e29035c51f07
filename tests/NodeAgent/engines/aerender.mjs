// A stand-in for After Effects' aerender: -project FILE -s FIRST -e LAST -output 'FOLDER/frame_[#####].png'. It leaves a PNG sequence, reports success whatever it left,
// and goes wrong as its project says: {"faults":{"5":"missing"|"placeholder"|"empty"|"half"|"damaged"|"size"|"exit"}, "once":FOLDER, "calls":FILE}.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { crc32, deflateSync } from 'node:zlib'

const options = Object.fromEntries(process.argv.slice(2).flatMap((word, i, all) => (word.startsWith('-') ? [[word.slice(1), all[i + 1]]] : [])))
const project = JSON.parse(readFileSync(options.project, 'utf8'))
const [width, height] = [project.width ?? project.w, project.height ?? project.h]
const [first, last] = [Number(options.s), Number(options.e)]
if (project.calls) appendFileSync(project.calls, `${first}-${last}\n`)
console.log(`PROGRESS: Launching After Effects... rendering ${first} to ${last}`)
for (let n = first; n <= last; n++) {
  const path = options.output.replace(/\[(#+)\]/, (_, digits) => String(n).padStart(digits.length, '0'))
  const fault = faultAt(n)
  if (fault === 'exit') { console.log(`aerender ERROR: it gave up at frame ${n}`); process.exit(1) }
  const file = fault === 'placeholder' ? png(1, 1, n) : fault === 'size' ? png(width / 2, height, n) : png(width, height, n)
  if (fault === 'empty') writeFileSync(path, '')
  else if (fault === 'half') writeFileSync(path, file.subarray(0, file.length >> 1))
  else if (fault === 'damaged') { file[60] ^= 1; writeFileSync(path, file) }
  else if (fault !== 'missing') writeFileSync(path, file)
}

function faultAt(n) {
  const fault = project.faults?.[n]
  if (!fault || !project.once) return fault
  const mark = `${project.once}-${n}`
  if (existsSync(mark)) return undefined
  writeFileSync(mark, '')
  return fault
}

function png(width, height, n) {
  const rows = Buffer.alloc((width * 3 + 1) * height)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) rows.set([(x * 200 / width) | 0, (n * 23) & 255, (y * 200 / height) | 0], y * (width * 3 + 1) + 1 + x * 3)
  const head = Buffer.alloc(13)
  head.writeUInt32BE(width, 0)
  head.writeUInt32BE(height, 4)
  head.set([8, 2, 0, 0, 0], 8)
  return Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]), chunk('IHDR', head), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))])
}

function chunk(kind, body) {
  const out = Buffer.alloc(body.length + 12)
  out.writeUInt32BE(body.length, 0)
  out.write(kind, 4, 'latin1')
  body.copy(out, 8)
  out.writeUInt32BE(crc32(out.subarray(4, body.length + 8)), body.length + 8)
  return out
}
