const MOST = 500
const LONGEST = 600

/** Collects every error and warning, each with the field it belongs to (null: the template or the request). */
export class Problems {
  errors = []
  warnings = []
  #seen = new Set()

  error(code, message, field = null) { this.#add(this.errors, code, message, field) }
  warn(code, message, field = null) { this.#add(this.warnings, code, message, field) }
  lists() { return { errors: this.errors, warnings: this.warnings } }

  // The same sentence twice helps nobody: a template may use one broken thing a thousand times.
  #add(list, code, message, field) {
    if (list.length >= MOST) return
    if (message.length > LONGEST) message = `${message.slice(0, LONGEST)}... and so on.`
    const key = JSON.stringify([code, message, field])
    if (this.#seen.has(key)) return
    this.#seen.add(key)
    list.push({ field, code, message })
  }
}
