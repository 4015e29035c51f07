// The files that describe FlatRender in containers, judged without a container engine.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { DCLinter } from 'dclint'

const here = path => fileURLToPath(new URL(path, import.meta.url))
const files = ['all.yml', 'apart.yml'].map(f => here('../../compose/' + f))

// Order and quotes are a matter of taste: services stand in the order in which one explains them.
const taste = ['no-quotes-in-volumes', 'require-quotes-in-ports', 'service-keys-order', 'services-alphabetical-order', 'top-level-properties-order', 'service-dependencies-alphabetical-order', 'service-ports-alphabetical-order']
const lint = paths => new DCLinter({ quiet: false, debug: false, rules: Object.fromEntries(taste.map(rule => [rule, 0])), exclude: [] }).lintFiles(paths, false)
  .flatMap(file => file.messages.map(m => `${file.filePath}:${m.line} ${m.rule}: ${m.message}`))

test('every compose file keeps to the compose schema and to what is good practice', () => assert.deepEqual(lint(files), []))

test('the judge sees what the schema forbids, and an image without a tag', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flatrender-compose-'))
  try {
    const wrong = (from, to) => {
      const path = join(folder, 'compose.yml')
      const text = readFileSync(files[1], 'utf8')
      assert.ok(text.match(from), `${from} is in the file`)
      writeFileSync(path, text.replace(from, to))
      return lint([path]).join('\n')
    }
    assert.match(wrong(/healthcheck:/, 'healthchek:'), /invalid-schema.*\/services\/database/)
    assert.match(wrong(/image: postgres:\S+/, 'image: postgres'), /service-image-require-explicit-tag/)
    assert.match(wrong(/^ {4}image: postgres/m, '    ports: all\n    image: postgres'), /invalid-schema.*ports/)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
