// A title card: a mark in turning rings on the right, a headline that rises letter by letter on the left.
import { ellipse, fill, film, gradient, group, image, lasting, move, rectangle, shapes, stroke, text, trim, wave } from '../kit.mjs'

const [INK, NIGHT, ACCENT, PAPER] = ['#0a1020', '#16213d', '#ff7a45', '#ffffff']
const CENTRE = [1400, 540]

export const fields = {
  fields: [
    { key: 'title', type: 'text', label: 'Title (two lines)', layer: 'Title', default: 'Your story,\nframe by frame', required: true, max_length: 60 },
    { key: 'subtitle', type: 'text', label: 'Subtitle', layer: 'Subtitle', default: 'A film from a template, in seconds', max_length: 60 },
    { key: 'logo', type: 'image', label: 'Logo (square, transparent)', asset: 'logo' },
    { key: 'accent', type: 'color', label: 'Accent colour', targets: [ACCENT], default: ACCENT },
    { key: 'background', type: 'color', label: 'Background colour', targets: ['Backdrop/Ink'], default: INK },
  ],
  fonts: { 'Manrope-ExtraBold': 'fonts/Manrope-ExtraBold.ttf', 'Manrope-Medium': 'fonts/Manrope-Medium.ttf' },
}

export function design() {
  lasting(165)
  return film({
    name: 'Title card', width: 1920, height: 1080, rate: 30, layers: [title(), subtitle(), bar(), logo(), disc(), ...rings(), ...sparks(), glow(), backdrop()],
    fonts: [['Manrope', 'ExtraBold'], ['Manrope', 'Medium']],
    assets: [{ id: 'logo', w: 512, h: 512, u: 'images/', p: 'logo.png', e: 0 }],
  })
}

const title = () => text('Title',
  { s: 104, f: 'Manrope-ExtraBold', t: 'Your story,\rframe by frame', j: 0, lh: 122, fc: PAPER, tr: -15, sz: [900, 300], ps: [0, 0] },
  [wave({ p: [0, 90, 0], o: 0, r: 8 }, 14, 52)],
  { at: move([0, [150, 372]], [165, [150, 364]], 'linear') })

const subtitle = () => text('Subtitle',
  { s: 38, f: 'Manrope-Medium', t: 'A film from a template, in seconds', j: 0, fc: '#b9c3dc', tr: 10 },
  [wave({ o: 0, p: [-24, 0, 0] }, 40, 74)],
  { at: [156, 712] })

const bar = () => shapes('Bar',
  [group('Line', [line([0, 0], [180, 0]), trim(0, move([8, 0], [42, 100], 'inOut')), stroke(ACCENT, 10)])],
  { at: [158, 330] })

const logo = () => image('Logo', 'logo',
  { at: CENTRE, anchor: [256, 256], scale: move([26, [0, 0]], [50, [46, 46]], 'back'), turn: move([26, -40], [56, 0]) })

const disc = () => shapes('Disc',
  [group('Disc', [ellipse(356), fill(PAPER)])],
  { at: CENTRE, scale: move([14, [0, 0]], [44, [100, 100]], 'back') })

// Each ring is drawn by its trim and then goes on turning, no two at the same pace.
function rings() {
  const plan = [[230, 16, 100, 72, 20, 250], [300, 5, 55, 60, 140, -190], [366, 22, 90, 38, 250, 160], [366, 22, 18, 100, 0, 0], [450, 3, 45, 82, 60, -120], [520, 10, 60, 26, 200, 90]]
  return plan.map(([radius, width, opacity, share, from, turn], i) => shapes(`Ring ${i + 1}`,
    [group('Arc', [ellipse(radius * 2), trim(0, move([4 + i * 4, 0], [58 + i * 5, share], 'inOut')), stroke(i === 4 ? PAPER : ACCENT, width, opacity)])],
    { at: CENTRE, turn: move([0, from], [165, from + turn]) }))
}

// Sparks leave the disc as it lands.
function sparks() {
  return Array.from({ length: 14 }, (_, i) => {
    const angle = i * 2 * Math.PI / 14 + 0.2
    const [near, far] = [190, 430 + (i * 97) % 190]
    const point = r => [CENTRE[0] + Math.cos(angle) * r, CENTRE[1] + Math.sin(angle) * r]
    const start = 30 + (i * 5) % 9
    return shapes(`Spark ${i + 1}`, [group('Dot', [ellipse(8 + (i * 7) % 14), fill(i % 3 === 0 ? PAPER : ACCENT)])],
      { at: move([start, point(near)], [start + 70, point(far)]), opacity: move([start, 0], [start + 4, 100], [start + 80, 25]), scale: move([start, [40, 40]], [start + 40, [100, 100]]) })
  })
}

const glow = () => shapes('Glow',
  [group('Light', [ellipse(1700), gradient([[0, ACCENT, 0.5], [0.45, ACCENT, 0.16], [1, ACCENT, 0]], [0, 0], [850, 0])])],
  { at: CENTRE, scale: move([0, [40, 40]], [70, [100, 100]], [165, [108, 108]]), opacity: move([0, 0], [40, 100]) })

const backdrop = () => shapes('Backdrop', [
  group('Sheen', [rectangle(1920, 1080), gradient([[0, NIGHT, 0.9], [1, NIGHT, 0]], [-500, -300], [700, 300])]),
  group('Ink', [rectangle(1920, 1080), fill(INK)]),
], { at: [960, 540] })

const line = (a, b) => ({ ty: 'sh', ks: { a: 0, k: { c: false, v: [a, b], i: [[0, 0], [0, 0]], o: [[0, 0], [0, 0]] } } })

// The mark that stands in for a person's own: a play triangle cut out of stacked frames.
export const images = {
  'logo.png'({ createCanvas }) {
    const sheet = createCanvas(512, 512)
    const pen = sheet.getContext('2d')
    const frame = (x, y, colour) => { pen.fillStyle = colour; pen.beginPath(); pen.roundRect(x, y, 330, 330, 64); pen.fill() }
    frame(152, 30, '#ffd3c0')
    frame(91, 91, '#ff9f78')
    frame(30, 152, '#0a1020')
    pen.fillStyle = '#ffffff'
    pen.strokeStyle = '#ffffff'
    pen.lineWidth = 28
    pen.lineJoin = 'round'
    pen.beginPath()
    pen.moveTo(158, 250)
    pen.lineTo(158, 384)
    pen.lineTo(266, 317)
    pen.closePath()
    pen.fill()
    pen.stroke()
    return sheet.toBuffer('image/png')
  },
}
