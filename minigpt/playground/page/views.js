// What is drawn beside a text: the next token's bars, and the pictures of minigpt/pictures.

import { update } from "./bars.js"
import * as beams from "./beams.js"
import * as cells from "./cells.js"
import * as code from "./code.js"
import * as cuts from "./cuts.js"
import { drawn } from "./drawn.js"
import * as knock from "./knock.js"
import { filtered } from "./mine.js"
import { $, make, shade } from "./parts.js"
import { shaping } from "./settings.js"
import { follow } from "./tree.js"
import { ask } from "./wire.js"

const LONGEST = 48 // tokens that a picture shows; more cannot be read
const TOLD = {
  surprise: "How much each token surprised the model, in bits (1 bit: a coin toss). The stronger the colour, the more surprising; in the text above, the likelier. A dot is a space.",
  lens: "What the model would say after each layer, at each token. A dot is a space.",
  tokens: "The same text, cut into tokens by two vocabularies: a dot is a space, ↵ a line break, and <f0 9f> are bytes that are no whole character.",
  attention: "Where each head looks: every row is a token, and the stronger the colour of a column, the more it looks there. A dot is a space. Click a head to see it large.",
  architecture: "What the model does with this text, from below, and the shape after each part, in a forward pass that has just been done: (1 text, T tokens, …). Of the last token only there are logits: the next one needs no others.",
  knock: "Switch parts of the model off and see what it writes without them. What a head gives is set to zero, or all that an attention or an MLP adds.",
}

const LARGE = "One head: every row is a token that looks, every column one that is looked at. Hover over a cell, tap it, or move by the arrow keys: its weight is told below the picture. Choose “all” to go back."

let tab = "bars"
let place = null // what is looked at: model, ids, words before, and which token was chosen there, if any
let asking = false // whether a request is under way
let again = false // whether something changed since
let flight = new AbortController() // what ends a request that takes long
const sizes = new Map() // what is known of each model

// Looks at a place of a text: after `ids` of a model.
export function look(where) {
  place = where
  redraw()
}

// Draws anew what is shown. While an answer is under way later wishes become one.
export async function redraw() {
  $("layer").disabled = $("head").value === ""
  if (!place && tab !== "tokens") return // all others look at a model's text
  if (asking) {
    again = true
    flight.abort()
    return
  }
  asking = true
  try {
    flight = new AbortController()
    await (VIEWS[tab] ?? picture)(place)
  } catch (error) {
    if (error.name !== "AbortError") fail(error.message)
  }
  asking = false
  if (again) {
    again = false
    redraw()
  } else $("view").style.minHeight = ""
}

// Draws anew what depends on the settings.
export const settle = () => ["bars", "beams"].includes(tab) && redraw()

const VIEWS = {
  bars,
  tokens,
  architecture,
  beams: (place) => beams.tree(place, flight.signal, () => tab === "beams"),
  knock: (place) => {
    $("caption").textContent = TOLD.knock
    knock.show(place, sizes.get(place.model))
  },
}

function fail(message) {
  $("caption").textContent = ""
  $("drawn").replaceChildren(make("p", { className: "notice", role: "alert" }, message))
}

async function bars({ model, ids, prompt, words, chosen, branch }) {
  const text = ids ? { ids } : { prompt }
  const after = words.length > 40 ? `…${words.slice(-40)}` : words
  const what = chosen === undefined ? "What may come next" : "What could have come"
  $("caption").textContent = `${what} after “${after}”, before and after each filter. Move a slider in the settings: the bars follow. In a token, a dot is a space.${filtered(model)}${knock.missing(branch)}`
  const told = await (await ask("bars", { model, ...text, settings: shaping(), without: branch?.without })).json()
  if (tab !== "bars") return
  const old = $("drawn").querySelector("table")
  const fresh = update(old, told, chosen)
  if (fresh !== old) $("drawn").replaceChildren(fresh)
}

async function tokens(place) {
  await cuts.draw(place)
  if (tab === "tokens") $("drawn").replaceChildren() // what had failed before
}

async function picture({ model, all, prompt, branch }) {
  const what = tab
  const text = all ? { ids: all.slice(0, LONGEST) } : { prompt }
  const part = (all?.length > LONGEST ? ` The first ${LONGEST} tokens.` : "") + knock.missing(branch)
  const head = $("head").value
  const one = what === "attention" && head !== "" ? { layer: Number($("layer").value), head: Number(head) } : {}
  $("caption").textContent = (one.layer === undefined ? TOLD[what] : LARGE) + part
  const told = await (await ask("picture", { model, ...text, what, ...one, without: branch?.without })).json()
  if (tab !== what) return
  drawn(told)
  cells.offer(one.layer !== undefined)
}

// The parts of the model with the shapes of the whole text.
async function architecture({ model, all, prompt }) {
  $("caption").textContent = TOLD.architecture
  const told = await (await ask("architecture", { model, ...(all ? { ids: all } : { prompt }) })).json()
  if (tab !== "architecture") return
  drawn(told)
}

// Where nothing stands yet after a while, a word.
function waiting() {
  if ($("view").style.minHeight && !$("drawn").firstChild && tab !== "tokens") $("drawn").replaceChildren(make("p", { className: "quiet" }, "Drawing …"))
}

// The tabs, by mouse and by arrow keys.
export function build() {
  const tabs = [...document.querySelectorAll("[role=tab]")]
  const choose = (one) => {
    tab = one.id.slice("tab-".length)
    for (const other of tabs) {
      other.setAttribute("aria-selected", String(other === one))
      other.tabIndex = other === one ? 0 : -1
    }
    $("view").setAttribute("aria-labelledby", one.id)
    $("view").style.minHeight = place ? `${$("view").offsetHeight}px` : "" // until what comes is there
    $("heads").hidden = tab !== "attention"
    $("cuts").hidden = tab !== "tokens"
    $("caption").textContent = place || tab === "tokens" ? (TOLD[tab] ?? "") : ""
    setTimeout(waiting, 300)
    code.point($("computed").querySelector("span"), tab)
    $("drawn").replaceChildren()
    cells.offer(false)
    redraw()
  }
  tabs.forEach((one, n) => {
    one.addEventListener("click", () => choose(one))
    one.addEventListener("keydown", (event) => {
      const to = { ArrowRight: n + 1, ArrowLeft: n - 1 }[event.key]
      if (to === undefined) return
      const next = tabs[(to + tabs.length) % tabs.length]
      next.focus()
      choose(next)
    })
  })
  for (const name of ["layer", "head"]) $(name).addEventListener("change", redraw)
  $("drawn").addEventListener("click", enlarge)
  cuts.build(redraw)
  cells.build()
  shade($("drawn"))
  follow()
}

// A click on a head of the grid shows it large.
function enlarge(event) {
  if (tab !== "attention" || $("head").value !== "") return
  for (const title of $("drawn").querySelectorAll("rect > title")) {
    const named = title.textContent.match(/^layer (\d+), head (\d+)$/)
    const box = title.parentElement.getBoundingClientRect()
    const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom
    if (!named || !inside) continue
    $("layer").value = named[1]
    $("head").value = named[2]
    redraw()
  }
}

// What is known of a model that is loaded.
export const know = ({ name, n_layer, n_head }) => sizes.set(name, { n_layer, n_head })

// The layers and heads that a model has.
export function heads({ n_layer, n_head }) {
  const numbers = (n) => [...Array(n).keys()].map((i) => make("option", { value: i }, String(i)))
  $("layer").replaceChildren(...numbers(n_layer))
  $("head").replaceChildren(make("option", { value: "" }, "all, of all layers"), ...numbers(n_head))
  $("layer").disabled = true
}
