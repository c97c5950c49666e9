// A text cut into tokens by two vocabularies, side by side.

import { point } from "./code.js"
import { $, make } from "./parts.js"
import { ask } from "./wire.js"

const PAUSE = 200 // milliseconds after a key until the text is cut anew
const KNOWN = ["gpt2", "cl100k_base"] // what a learner would compare with

// A vocabulary's column.
class Column {
  constructor(root) {
    const part = (name) => root.querySelector(`.${name}`)
    this.root = root
    this.chosen = part("vocabulary")
    this.told = part("told")
    this.box = part("text")
    this.facts = part("facts")
    this.by = part("by")
    this.tokens = []
    for (const kind of ["pointerover", "focusin", "click"]) this.box.addEventListener(kind, (event) => this.tell(this.place(event.target)))
    this.box.addEventListener("keydown", (event) => this.key(event))
  }

  async draw(prompt, special) {
    const asked = { model: this.chosen.value, prompt, special }
    const key = JSON.stringify(asked)
    if (key === this.drawn) return
    const slow = setTimeout(() => (this.told.textContent = `${asked.model} is being read …`), 3 * PAUSE)
    let found
    try {
      found = await (await ask("tokens", asked)).json()
    } catch (error) {
      found = { told: error.message, tokens: [], merges: {} }
    }
    clearTimeout(slow)
    this.drawn = found.code ? key : "" // after a failure it may be tried again
    this.show(found)
  }

  show({ told, n_tokens, tokens, merges, code }) {
    const part = tokens.length < n_tokens ? ` Shown are the first ${tokens.length.toLocaleString("en")} tokens.` : ""
    this.told.textContent = `${told}.${part}`.replace(/\.\.$/, ".")
    this.tokens = tokens
    this.merges = merges
    this.box.hidden = !tokens.length
    this.box.replaceChildren(...tokens.flatMap((token, n) => chip(token, n)))
    this.facts.textContent = tokens.length ? "Hover over a token, or tap it. The lower a merge’s rank, the earlier it was learned." : ""
    this.by.hidden = !code
    if (code) point(this.by.querySelector("span"), code)
  }

  place(element) {
    const span = element.closest?.(".cut")
    return span ? Number(span.dataset.n) : -1
  }

  tell(n) {
    const token = this.tokens[n]
    if (!token) return
    this.box.querySelector("[aria-selected=true]")?.setAttribute("aria-selected", "false")
    this.box.querySelector(`[data-n="${n}"]`).setAttribute("aria-selected", "true")
    this.facts.replaceChildren(make("code", {}, token.label), ` ${facts(token, this.merges[token.id]).join(" · ")}`)
  }

  key(event) {
    const n = this.place(event.target)
    const to = { ArrowRight: n + 1, ArrowLeft: n - 1, Home: 0, End: this.tokens.length - 1 }[event.key]
    const next = this.box.querySelector(`[data-n="${to}"]`)
    if (n < 0 || !next) return
    event.preventDefault()
    event.target.tabIndex = -1
    next.tabIndex = 0
    next.focus()
  }
}

// A token as it is drawn; a line break is one in the view, too.
function chip({ id, label, special, part_of }, n) {
  const kind = `cut${special ? " special" : ""}${part_of ? " part" : ""}`
  const span = make("span", { className: kind, role: "option", tabIndex: n ? -1 : 0, "aria-selected": "false", "aria-label": `${label}, id ${id}` }, label)
  span.dataset.n = n
  return label.endsWith("↵") ? [span, make("br")] : [span]
}

// What there is to say about a token.
function facts({ id, bytes, special, part_of }, merges) {
  const told = [`id ${id}`]
  if (bytes) told.push(`bytes ${bytes}`)
  if (special) return [...told, "special token"]
  if (part_of) told.push(`part of ${part_of}`)
  if (!bytes) return told
  if (merges?.length) return [...told, `merged ${merges.map(([left, right, rank]) => `${left} + ${right} (rank ${rank})`).join(", ")}`]
  return [...told, bytes.length === 2 ? "a single byte, no merge" : "no merge makes it: it stands for a whole piece of the text"]
}

const columns = []
let names = null // of the vocabularies, once they are known
let text = "" // the text on the page
let timer = 0

// Cuts the text that is chosen; `place` is what is looked at on the page.
export async function draw(place) {
  text = place?.text ?? ""
  if (!names) await begin()
  fill()
  const [prompt, special] = [$("cut-text").value, $("cut-special").checked]
  await Promise.all(columns.filter((column) => !column.root.hidden).map((column) => column.draw(prompt, special)))
}

// The names of the vocabularies, into the choices.
async function begin() {
  const found = await (await ask("vocabularies")).json()
  const first = found.includes($("model").value) ? $("model").value : found[0]
  const other = [...KNOWN, ...found].find((name) => found.includes(name) && name !== first)
  columns.forEach((column, n) => {
    column.chosen.replaceChildren(...found.map((name) => make("option", { value: name }, name)))
    column.chosen.value = n ? other : first
  })
  columns[1].root.hidden = !other
  $("cut-alone").hidden = Boolean(other)
  names = found
}

// The text that is chosen, into the box; one's own stays.
function fill() {
  const from = $("cut-from").value
  if (from === "prompt") $("cut-text").value = $("prompt").value
  else if (from === "text") $("cut-text").value = text || $("prompt").value
}

// `redraw` draws the view anew, one time after the other.
export function build(redraw) {
  columns.push(...[...document.querySelectorAll("#cuts .column")].map((root) => new Column(root)))
  const soon = () => {
    clearTimeout(timer)
    timer = setTimeout(redraw, PAUSE)
  }
  $("cut-text").addEventListener("input", () => {
    $("cut-from").value = "own"
    soon()
  })
  $("prompt").addEventListener("input", () => $("cuts").hidden || soon())
  for (const control of [$("cut-from"), $("cut-special"), ...columns.map((column) => column.chosen)]) control.addEventListener("change", redraw)
}
