// Which faces a text is set in: the template's own font, then its other fonts, then the house fonts.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { objects } from './bundle.mjs'
import { CharsFace, FontFace } from './faces.mjs'

const require = createRequire(import.meta.url)
const WEIGHTS = [
  ['100Thin', /thin|hairline/i], ['200ExtraLight', /extra ?light|ultra ?light/i], ['300Light', /light/i],
  ['600SemiBold', /semi ?bold|demi/i], ['800ExtraBold', /extra ?bold|ultra ?bold|heavy/i], ['900Black', /black/i],
  ['700Bold', /bold/i], ['500Medium', /medium/i],
]
const SERIF = /(?<!sans[ -]?)serif|times|georgia|garamond|playfair|baskerville|bodoni|caslon|didot|merriweather|minion|palatino|cambria|lora\b|roman/i
const NUMERIC = { 100: '100Thin', 200: '200ExtraLight', 300: '300Light', 400: '400Regular', 500: '500Medium', 600: '600SemiBold', 700: '700Bold', 800: '800ExtraBold', 900: '900Black' }

/** The fonts of one template. */
export class Fonts {
  #lottie
  #own = new Map()
  #house = new Map()

  constructor({ lottie, fonts }, problems) {
    this.#lottie = lottie
    for (const name of Object.keys(fonts).sort()) {
      const data = /^data:[^,]*;base64,/i.exec(String(fonts[name]).slice(0, 200))
      const face = data && FontFace.open(name, Buffer.from(fonts[name].slice(data[0].length), 'base64'))
      if (face) this.#own.set(plain(name), face)
      else problems.error('FONT_INVALID', `The font '${name}' is not a TrueType or OpenType font.`)
    }
  }

  /** { entry, faces, firstHouse }: the font list entry of a document's font name and its faces in order of preference. */
  forName(name) {
    const entry = objects(this.#lottie.fonts?.list).find(font => font.fName === name)
      ?? { fName: name, fFamily: name, fStyle: 'Regular', ascent: 75 }
    const keys = [entry.fName, `${entry.fFamily}-${entry.fStyle}`, `${entry.fFamily}${entry.fStyle}`].map(plain)
    const own = keys.map(key => this.#own.get(key)).find(face => face)
    const chars = this.#lottie.chars.filter(c => typeof c.ch === 'string' && c.fFamily === entry.fFamily && (c.style === entry.fStyle || c.style === undefined))
    const faces = [own, new CharsFace(entry.fName, chars, entry.ascent)].filter(face => face)
    const others = [...this.#own.values()].filter(face => face !== own)
    return { entry, own: faces, others, house: () => this.#houseFaces(entry) }
  }

  #houseFaces(entry) {
    const style = `${entry.fStyle ?? ''} ${entry.fName ?? ''}`
    const weight = NUMERIC[entry.fWeight] ?? WEIGHTS.find(([, words]) => words.test(style))?.[0] ?? '400Regular'
    const italic = /italic|oblique/i.test(style) ? '_Italic' : ''
    const latin = SERIF.test(`${entry.fFamily ?? ''} ${entry.fName ?? ''}`) ? ['noto-serif', 'NotoSerif'] : ['noto-sans', 'NotoSans']
    return [this.#open(...latin, weight + italic), this.#open('vazirmatn', 'Vazirmatn', weight)]
  }

  #open(folder, family, style) {
    const key = `${family}-${style.replace(/^\d+/, '').replace('_', '')}`
    if (!this.#house.has(key))
      this.#house.set(key, FontFace.open(key, readFileSync(require.resolve(`@expo-google-fonts/${folder}/${style}/${family}_${style}.ttf`))))
    return this.#house.get(key)
  }
}

/** Is the house font the very one the template asked for? */
export const sameName = (entry, face) => [entry.fName, `${entry.fFamily}-${entry.fStyle}`].map(plain).includes(plain(face.name))

const plain = name => String(name).toLowerCase().replace(/[^\p{L}\p{N}]/gu, '')
