// Heads, attentions and MLPs that are switched off, and the text that the model writes without them.

import { all, ids, promptOf, shared } from "./branches.js"
import { $, count, make, shade } from "./parts.js"
import { TokenText } from "./tokens.js"

const WHOLE = { attention: "attention", mlp: "the MLP" }
const LIST = new Intl.ListFormat("en-GB") // a, b and c
const off = new Map() // "layer part" to the pair that the server takes
let place = null // what is looked at
let moved = true // whether the comparison was scrolled to
let write = null // writes a text, as page.js does

const name = ([layer, part]) => `${WHOLE[part] ?? `head ${part}`} of layer ${layer}`

// What is missing, in words.
export const named = (parts) => `without ${parts.length > 3 ? `${parts.length} parts, ${name(parts[0])} among them` : LIST.format(parts.map(name))}`

// The same as a sentence after others; nothing where all parts are there.
export const missing = (branch) => (branch?.without?.length ? ` The model is ${named(branch.without)}.` : "")

const grid = make("table", { className: "parts" })
const again = make("button", { type: "button", className: "main", onclick: () => rewrite() }, "Write it again without them")
const clear = make("button", { type: "button", onclick: () => press([]) }, "Switch all on")
const status = make("p", { className: "info", role: "status" })
const boxes = [0, 1].map(() => make("div", { className: "text", role: "group" }))
const heads = [0, 1].map(() => make("h3"))
const both = make("div", { className: "both" }, ...boxes.map((box, n) => make("section", {}, heads[n], box)))
const scroll = make("div", { className: "scroll" }, grid)
const panel = make("div", { id: "knock" }, make("div", { className: "edge" }, scroll), make("div", { className: "row" }, again, clear), status, both)
const texts = boxes.map((box) => new TokenText(box))

export function build(writer) {
  write = writer
  grid.addEventListener("click", (event) => {
    const button = event.target.closest("button")
    if (button) press(pressed(button) ? without().filter((pair) => key(pair) !== button.dataset.key) : [...without(), JSON.parse(button.dataset.pair)])
  })
  grid.addEventListener("keydown", walk)
  shade(scroll)
}

const key = ([layer, part]) => `${layer} ${part}`
const pressed = (button) => button.getAttribute("aria-pressed") === "true"
const without = () => [...off.values()]

// The text that was written with the whole model, of which another was written without parts.
const originalOf = (branch) => all.find((one) => one.id === branch?.original) ?? branch
// Where a text's own tokens begin: after the prompt, or after the token that somebody chose.
const begun = (branch) => branch.own + (branch.tokens[branch.own]?.picked ? 1 : 0)

// Shows the parts of a model, and the text with and without those that are off.
export function show(at, { n_layer, n_head }) {
  if (!$("drawn").contains(panel)) $("drawn").replaceChildren(panel)
  const same = place && at.branch === place.branch && grid.dataset.size === `${n_layer} ${n_head}`
  if (grid.dataset.size !== `${n_layer} ${n_head}`) layOut(n_layer, n_head)
  place = at
  if (same) return
  if (at.branch?.original) press(at.branch.without)
  else tell()
  compare(at.branch)
}

function layOut(n_layer, n_head) {
  off.clear()
  grid.dataset.size = `${n_layer} ${n_head}`
  const columns = [...Array(n_head).keys(), "attention", "mlp"]
  const words = (part) => ({ mlp: "MLP" })[part] ?? String(part)
  const column = (text, colSpan = 1) => make("th", { scope: "col", colSpan }, text)
  const top = make("tr", {}, column("layer"), column("heads", n_head), column("attention"), column("MLP"))
  const rows = [...Array(n_layer).keys()].map((layer) => {
    const cells = columns.map((part) => {
      const pair = [layer, part]
      const button = make("button", { type: "button", tabIndex: -1, "aria-label": name(pair), "aria-pressed": "false", title: name(pair) }, words(part))
      button.dataset.pair = JSON.stringify(pair)
      button.dataset.key = key(pair)
      return make("td", {}, button)
    })
    return make("tr", {}, make("th", { scope: "row" }, String(layer)), ...cells)
  })
  grid.replaceChildren(make("thead", {}, top), make("tbody", {}, ...rows))
  grid.querySelector("button").tabIndex = 0
}

// Switches these parts off, and all others on.
function press(parts) {
  off.clear()
  for (const pair of parts) off.set(key(pair), pair)
  for (const button of grid.querySelectorAll("button")) button.setAttribute("aria-pressed", String(off.has(button.dataset.key)))
  tell()
}

// What can be done now, in a line.
function tell() {
  const base = originalOf(place?.branch)
  const full = base && base.finish_reason === "eos" && begun(base) === base.tokens.length
  again.disabled = !off.size || !base || full
  clear.disabled = !off.size
  if (full) status.textContent = "The end of this text was chosen by you: nothing is left to write."
  else if (!base) status.textContent = "Generate a text first; then switch parts off and write it again without them."
  else status.textContent = off.size ? `“Write it again” leaves them out: the text is then written ${named(without())}. Generate still uses the whole model.` : "All parts are on. Click heads, a layer’s attention (all its heads) or an MLP to switch them off."
}

function walk(event) {
  const button = event.target.closest("button")
  const cell = button?.parentElement
  const row = cell?.parentElement
  const to = {
    ArrowRight: cell?.nextElementSibling,
    ArrowLeft: cell?.previousElementSibling,
    ArrowDown: row?.nextElementSibling?.children[cell.cellIndex],
    ArrowUp: row?.previousElementSibling?.children[cell.cellIndex],
  }[event.key]?.querySelector("button")
  if (!to) return
  button.tabIndex = -1
  to.tabIndex = 0
  to.focus()
  event.preventDefault()
}

// The same text again without the parts that are off: same settings, same seed, a branch of its own.
async function rewrite() {
  const base = originalOf(place.branch)
  const { model, settings, prompt, promptIds, own, chat, written } = base
  const n = begun(base)
  const text = n || chat ? { ids: ids(base, n) } : { prompt }
  const fresh = { name: named(without()), parent: base.id, at: own, original: base.id, prompt, promptIds, tokens: base.tokens.slice(0, n), own, without: without(), chat, written }
  moved = false
  await write({ ...text, model, settings, without: without(), chat }, fresh)
  if (panel.isConnected && !both.hidden) both.scrollIntoView({ block: "nearest" }) // the page has grown above it
  if (!$("error").hidden) status.textContent = $("error").textContent
}

// Both texts beside each other, the first difference marked; also while the second is being written.
export function compare(branch) {
  const base = originalOf(branch)
  both.hidden = !branch?.original
  if (both.hidden || !panel.isConnected) return
  const same = shared(base, branch)
  const pair = [base, branch]
  pair.forEach((one, n) => {
    heads[n].textContent = n ? one.name : `the original${one.without?.length ? `, ${named(one.without)}` : ""}`
    boxes[n].setAttribute("aria-label", heads[n].textContent)
    texts[n].show(promptOf(one), one.tokens, same)
    texts[n].span(same)?.classList.add("differs")
  })
  if (!moved) both.scrollIntoView({ block: "nearest" })
  moved = true
  if (!branch.finish_reason) return
  const differ = pair.some(({ tokens }) => tokens[same])
  const begin = same > 1 ? `The first ${same} tokens are the same; then` : same ? "The first token is the same; then" : "They differ from the first token on:"
  const [one, other] = pair.map(({ tokens, finish_reason }) => (tokens[same] ? `has “${tokens[same].label}”` : finish_reason === "stopped" ? "was stopped" : "ends"))
  status.textContent = differ ? `${begin} the original ${one}, the other ${other}.` : `Both texts are the same: all ${count(same)}.`
}
