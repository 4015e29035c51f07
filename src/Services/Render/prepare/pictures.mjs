// Looks at an image's bytes: what it is, how large, and whether it is all there.
import { inflateSync } from 'node:zlib'

const MAX_PIXELS = 64_000_000
const MAX_DECODED = 16_000_000   // larger ones are not unpacked, only walked

/** { type, base64 } of a good data: URI, or { problem: "is ..." }. */
export function inspect(uri) {
  const found = /^data:[^,;]*(?:;[^,;]*)*?(;base64)?,/i.exec(uri.slice(0, 200))
  if (!found) return { problem: 'is not a data: URI' }
  const bytes = found[1]
    ? Buffer.from(uri.slice(found[0].length), 'base64')
    : Buffer.from(unescape(uri.slice(found[0].length)), 'latin1')
  if (bytes.length === 0) return { problem: 'is empty' }
  const kind = KINDS.find(k => k.starts(bytes))
  if (!kind) return { problem: 'is neither PNG, JPEG, WebP nor GIF' }
  if (!kind.whole(bytes)) return { problem: `is a ${kind.name} that is cut off or broken` }
  const [width, height] = kind.size(bytes)
  if (!(width > 0 && height > 0)) return { problem: `is a ${kind.name} without a size` }
  if (width * height > MAX_PIXELS) return { problem: `has ${width}x${height} pixels; at most ${MAX_PIXELS / 1e6} million are allowed` }
  if (kind.decodes && width * height <= MAX_DECODED && !kind.decodes(bytes)) return { problem: `is a ${kind.name} whose data is broken` }
  return { type: kind.type, base64: bytes.toString('base64') }
}

const ascii = (bytes, at, text) => bytes.length >= at + text.length && bytes.toString('latin1', at, at + text.length) === text

const KINDS = [
  {
    name: 'PNG', type: 'image/png',
    starts: b => ascii(b, 0, '\x89PNG\r\n\x1a\n'),
    whole: b => ascii(b, 12, 'IHDR') && pngEnds(b),
    size: b => [b.readUInt32BE(16), b.readUInt32BE(20)],
    decodes: pngInflates,
  },
  {
    name: 'JPEG', type: 'image/jpeg',
    starts: b => b.length > 3 && b[0] === 0xff && b[1] === 0xd8 && b[2] === 0xff,
    // Cameras append data, so the end marker may stand before the last bytes.
    whole: b => b.lastIndexOf(Buffer.from([0xff, 0xd9])) > b.lastIndexOf(Buffer.from([0xff, 0xda])) && jpegSize(b) !== null,
    size: jpegSize,
  },
  {
    name: 'WebP', type: 'image/webp',
    starts: b => ascii(b, 0, 'RIFF') && ascii(b, 8, 'WEBP'),
    whole: b => b.length >= 30 && b.length >= b.readUInt32LE(4) + 8,
    size: webpSize,
  },
  {
    name: 'GIF', type: 'image/gif',
    starts: b => ascii(b, 0, 'GIF87a') || ascii(b, 0, 'GIF89a'),
    whole: b => b.length > 13 && b.includes(0x3b, b.length - 16),
    size: b => [b.readUInt16LE(6), b.readUInt16LE(8)],
  },
]

function* pngChunks(b) {
  for (let at = 8; at + 12 <= b.length; at += 12 + b.readUInt32BE(at))
    yield { name: b.toString('latin1', at + 4, at + 8), data: b.subarray(at + 8, at + 8 + b.readUInt32BE(at)) }
}

function pngEnds(b) {
  const names = [...pngChunks(b)].map(chunk => chunk.name)
  return names.includes('IDAT') && names.includes('IEND')
}

// The stream ends with a checksum of its own, so unpacking it finds any broken bit.
function pngInflates(b) {
  try {
    const packed = Buffer.concat([...pngChunks(b)].filter(chunk => chunk.name === 'IDAT').map(chunk => chunk.data))
    return inflateSync(packed, { maxOutputLength: MAX_DECODED * 8 + 65536 }).length > 0
  } catch {
    return false
  }
}

function jpegSize(b) {
  for (let at = 2; at + 9 < b.length;) {
    if (b[at] !== 0xff) return null
    const marker = b[at + 1]
    if (marker === 0xff) { at++; continue }
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker))
      return [b.readUInt16BE(at + 7), b.readUInt16BE(at + 5)]
    if (marker === 0xda) return null
    at += marker >= 0xd0 && marker <= 0xd8 ? 2 : 2 + b.readUInt16BE(at + 2)
  }
  return null
}

function webpSize(b) {
  if (ascii(b, 12, 'VP8X')) return [b.readUIntLE(24, 3) + 1, b.readUIntLE(27, 3) + 1]
  if (ascii(b, 12, 'VP8 ')) return [b.readUInt16LE(26) & 0x3fff, b.readUInt16LE(28) & 0x3fff]
  if (ascii(b, 12, 'VP8L')) {
    const bits = b.readUInt32LE(21)
    return [(bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1]
  }
  return [0, 0]
}
