// Nowruz: a star of two squares is drawn in gold over a green night, blossoms open round it, the greeting comes from the right.
import { ellipse, fill, film, gradient, group, lasting, move, path, rectangle, shapes, star, stroke, text, trim, wave } from '../kit.mjs'

const [NIGHT, LEAF, GOLD, PETAL, CREAM] = ['#06302f', '#0f5a52', '#e8bd68', '#f2a7b5', '#fff6e3']
const [LAST, MIDDLE] = [180, [960, 438]]

export const fields = {
  fields: [
    { key: 'title', type: 'text', label: 'تبریک', layer: 'Greeting', default: 'نوروز پیروز', required: true, max_length: 24 },
    { key: 'subtitle', type: 'text', label: 'Subtitle', layer: 'Subtitle', default: 'HAPPY NOWRUZ', max_length: 40 },
    { key: 'wish', type: 'text', label: 'آرزو', layer: 'Wish', default: 'هر روزتان نوروز، نوروزتان پیروز', max_length: 60 },
    { key: 'gold', type: 'color', label: 'Ornament colour', targets: [GOLD], default: GOLD },
    { key: 'petals', type: 'color', label: 'Blossom colour', targets: [PETAL], default: PETAL },
    { key: 'background', type: 'color', label: 'Background colour', targets: ['Backdrop/Night'], default: NIGHT },
  ],
  fonts: { 'Vazirmatn-Black': 'fonts/Vazirmatn-Black.ttf', 'Marcellus-Regular': 'fonts/Marcellus-Regular.ttf' },
}

export function design() {
  lasting(LAST)
  return film({
    name: 'Nowruz', width: 1920, height: 1080, rate: 30, fonts: [['Vazirmatn', 'Black'], ['Marcellus', 'Regular']],
    layers: [greeting(), subtitle(), wish(), ...rules(), ...falling(), ...branches(), ...ornament(), halo(), lattice(), backdrop()],
  })
}

const greeting = () => text('Greeting', { s: 190, f: 'Vazirmatn-Black', t: 'نوروز پیروز', j: 2, fc: CREAM },
  [wave({ p: [0, 70, 0], o: 0, s: [60, 60, 100] }, 40, 86)],
  { at: [960, 500], scale: move([40, [96, 96]], [LAST, [101, 101]], 'linear') })

const subtitle = () => text('Subtitle', { s: 44, f: 'Marcellus-Regular', t: 'HAPPY NOWRUZ', j: 2, fc: GOLD, tr: 320 },
  [wave({ o: 0, p: [0, 22, 0] }, 78, 112)], { at: [968, 934] })

const wish = () => text('Wish', { s: 36, f: 'Vazirmatn-Black', t: 'هر روزتان نوروز، نوروزتان پیروز', j: 2, fc: CREAM },
  [wave({ o: 0 }, 96, 132)], { at: [960, 1014], opacity: 78 })

const rules = () => [-1, 1].map(side => shapes(`Rule ${side < 0 ? 'left' : 'right'}`,
  [group('Line', [line([side * 330, 0], [side * 520, 0]), trim(0, move([84, 0], [116, 100], 'inOut')), stroke(GOLD, 2)]),
    group('Bead', [star(4, 9, 4), fill(GOLD)], { at: [side * 548, 0], scale: move([104, [0, 0]], [120, [100, 100]], 'back') })],
  { at: [960, 920] }))

// The eight-pointed star, in three sizes; each line is drawn and then turns, slowly and against its neighbour.
function ornament() {
  const sizes = [[384, 4, 1, 0], [354, 1.5, -1, 6], [284, 2, 1, 10], [226, 1.5, -1, 14]]
  const stars = sizes.map(([radius, width, way, delay], i) => shapes(`Star ${i + 1}`,
    [0, 45].map(turn => group('Square', [square(radius), trim(0, move([delay, 0], [delay + 62, 100], 'inOut'), turn), stroke(GOLD, width, [95, 60, 40, 30][i])], { turn })),
    { at: MIDDLE, turn: move([0, way * -50], [LAST, 0], 'out') }))
  const beads = shapes('Beads', Array.from({ length: 16 }, (_, i) =>
    group('Bead', [i % 2 === 0 ? star(4, 13, 6) : ellipse(9), fill(GOLD)], { at: round(424, i * 22.5), turn: i * 22.5, scale: move([34 + i * 2, [0, 0]], [52 + i * 2, [100, 100]], 'back') })),
  { at: MIDDLE, turn: move([0, -30], [LAST, 0], 'out') })
  return [beads, ...stars]
}

// Blossoming branches reach in from two corners.
function branches() {
  return [[[-30, 1000], 1], [[1950, 1000], -1]].flatMap(([corner, side], b) => {
    const at = (x, y) => [corner[0] + side * x, corner[1] + y]
    const places = [[96, -92, 1.1], [214, -150, 1.35], [150, -262, 0.85], [318, -96, 1], [268, -300, 0.7], [420, -168, 0.75], [60, -300, 0.9], [390, -34, 0.6], [108, -420, 0.6]]
    const blossoms = places.map(([x, y, size], i) => blossom(`Blossom ${b}-${i}`, at(x, y), size * 100, 28 + i * 6 + b * 4, side))
    const wood = [[[0, 0], [430, -160], [190, -20]], [[40, -30], [110, -420], [150, -190]], [[150, -90], [270, -300], [230, -170]], [[180, -70], [392, -30], [280, -90]]]
    const bough = shapes(`Branch ${b}`, wood.map(([from, to, bend], i) =>
      group('Wood', [bow(from, to, bend, side), trim(0, move([4 + i * 8, 0], [50 + i * 6, 100], 'inOut')), stroke('#7c5a3c', 9 - i * 1.6)])), { at: corner })
    return [...blossoms, bough]
  })
}

function blossom(name, at, size, start, side) {
  const petals = Array.from({ length: 5 }, (_, i) => group('Petal', [petal(), fill(PETAL, 92)], { turn: i * 72 }))
  const heart = [group('Heart', [ellipse(17), fill(GOLD)]), group('Veins', [star(5, 27, 6), fill('#c8546c', 55)], { turn: 36 })]
  return shapes(name, [...heart, ...petals],
    { at, scale: move([start, [0, 0]], [start + 32, [size, size]], 'back'), turn: move([start, side * -90], [start + 60, side * 8], [LAST, side * 16]) })
}

function falling() {
  return Array.from({ length: 18 }, (_, i) => {
    const [x, drift, start] = [(i * 523) % 1960 - 20, 120 + (i * 71) % 160, -60 + (i * 37) % 130]
    const steps = [0, 1, 2, 3, 4].map(n => [start + n * 46, [x + drift * (n % 2 === 0 ? -0.4 : 0.6) + n * 26, -60 + n * 300]])
    return shapes(`Falling ${i + 1}`, [group('Petal', [petal(), fill(PETAL, 85)])],
      { at: move(...steps, 'inOut'), turn: move([start, i * 40], [start + 184, i * 40 + 420], 'linear'), scale: [26 + (i * 13) % 34, 30 + (i * 17) % 38], opacity: 40 + (i * 23) % 55 })
  })
}

const halo = () => shapes('Halo', [group('Light', [ellipse(1500), gradient([[0, GOLD, 0.34], [0.5, GOLD, 0.1], [1, GOLD, 0]], [0, 0], [750, 0])])],
  { at: MIDDLE, scale: move([0, [50, 50]], [80, [100, 100]], [LAST, [108, 108]]), opacity: move([0, 0], [50, 100]) })

// A faint lattice of the same star fills the night.
function lattice() {
  const tiles = []
  for (let row = 0; row < 6; row++)
    for (let column = 0; column < 10; column++)
      for (const turn of [0, 45])
        tiles.push(group('Tile', [square(76), stroke(GOLD, 1.2, 100)], { at: [(column - 4.5) * 214, (row - 2.5) * 214], turn }))
  return shapes('Lattice', tiles, { at: [960, 540], opacity: move([0, 0], [60, 9]) })
}

const backdrop = () => shapes('Backdrop', [
  group('Dawn', [rectangle(1920, 1080), gradient([[0, LEAF, 0.95], [1, LEAF, 0]], [0, -60], [1150, 0])]),
  group('Night', [rectangle(1920, 1080), fill(NIGHT)]),
], { at: [960, 540] })

const square = radius => path([[0, -radius], [radius, 0], [0, radius], [-radius, 0]], Array(4).fill([0, 0]), Array(4).fill([0, 0]))
// A petal with its tip to the origin and a notch on top: tip, right cheek, notch, left cheek.
const petal = () => path([[0, 0], [26, -44], [0, -58], [-26, -44]], [[-12, -8], [4, 18], [8, -4], [2, -14]], [[12, -8], [-2, -14], [-8, -4], [-4, 18]])
const round = (radius, degrees) => [Math.sin(degrees * Math.PI / 180) * radius, -Math.cos(degrees * Math.PI / 180) * radius]
const line = (a, b) => path([a, b], [[0, 0], [0, 0]], [[0, 0], [0, 0]], false)

function bow([ax, ay], [bx, by], [cx, cy], side) {
  const [from, to, bend] = [[ax * side, ay], [bx * side, by], [cx * side, cy]]
  return path([from, to], [[0, 0], [bend[0] - to[0], bend[1] - to[1]]], [[bend[0] - from[0], bend[1] - from[1]], [0, 0]], false)
}
