// The committed documents: linted, and held against what was really stored.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createConfig, lint as lintRedocly } from '@redocly/openapi-core'
import { parse } from '@stoplight/yaml'
import addFormats from 'ajv-formats'
import Ajv from 'ajv/dist/2020.js'

const here = path => fileURLToPath(new URL(path, import.meta.url))
const contracts = '../../src/Contracts/'

test('every stored event is as its schema says, and the schemas say enough to refuse others', () => {
  const ajv = addFormats(new Ajv({ strict: false, allErrors: true }))
  const schemas = Object.assign({}, ...readdirSync(here(contracts + 'events')).filter(f => f.endsWith('.yaml')).map(f => parse(readFileSync(here(contracts + 'events/' + f), 'utf8')).$defs))
  const validators = Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, ajv.compile(schema)]))
  let samples = 0
  for (const file of readdirSync(here('../Contracts/stored')).filter(f => f.endsWith('.json'))) {
    const name = Object.keys(schemas).filter(n => file.startsWith(n + '.')).sort((a, b) => b.length - a.length)[0]
    if (!name) continue
    const sample = JSON.parse(readFileSync(here('../Contracts/stored/' + file), 'utf8'))
    assert.ok(validators[name](sample), `${file}: ${JSON.stringify(validators[name].errors)}`)
    samples++
    for (const member of schemas[name].required ?? []) {
      const { [member]: gone, ...rest } = sample
      assert.ok(!validators[name](rest), `${file} without ${member} (${gone}) passes`)
      assert.ok(!validators[name]({ ...sample, [member]: { not: 'this' } }) || schemas[name].properties[member].type === 'object', `${file} with another ${member} passes`)
    }
  }
  assert.ok(samples >= Object.keys(schemas).length, `${samples} samples for ${Object.keys(schemas).length} events`)
})

test('the document of all that happens is without a fault', () => {
  lint('spectral.yaml', 'asyncapi.yaml')
})

test('every document of the REST is without a fault', () => {
  const documents = readdirSync(here(contracts + 'rest')).filter(f => f.endsWith('.openapi.yaml'))
  assert.equal(documents.length, 9)
  lint('spectral-rest.yaml', ...documents.map(f => 'rest/' + f))
})

test('every document of the REST is without a fault in a second judge\'s eyes', async () => {
  const config = await createConfig({ extends: ['recommended'] })
  // A node's health asks for nothing, so there is nothing to refuse.
  const excused = problem => problem.ruleId === 'operation-4xx-response' && problem.location[0].pointer.startsWith('#/paths/~1v1~1health/')
  for (const file of readdirSync(here(contracts + 'rest')).filter(f => f.endsWith('.openapi.yaml'))) {
    const problems = await lintRedocly({ ref: here(contracts + 'rest/' + file), config })
    assert.deepEqual(problems.filter(p => !excused(p)).map(p => `${file} ${p.location[0].pointer} ${p.ruleId}: ${p.message}`), [])
  }
})

function lint(rules, ...documents) {
  const ran = spawnSync(here('node_modules/.bin/spectral'), ['lint', ...documents.map(d => here(contracts + d)), '--ruleset', here(rules), '--fail-severity', 'hint'], { encoding: 'utf8' })
  assert.equal(ran.status, 0, ran.stdout + ran.stderr)
}
