// The page: prompt and settings in, a text out, and what is done with it.

import * as branches from "./branches.js"
import * as code from "./code.js"
import * as knock from "./knock.js"
import { $, make } from "./parts.js"
import * as settings from "./settings.js"
import { TokenText } from "./tokens.js"
import * as views from "./views.js"
import { ask, events } from "./wire.js"

const EXAMPLES = [
  ["Once upon a time", "sample"],
  ["Once upon a time", "greedy"],
  ["Hello my name", "greedy"],
  ["What is 2+2?", "sample", { top_k: 50 }],
  ["Suggest a party theme.", "sample", { top_p: 0.9 }],
  ["The future of artificial intelligence will involve", "sample", { temperature: 1.5 }],
  ["The quick brown fox", "beams"],
  ["When using LLMs,", "sample"],
  ["The secret to happiness is", "sample", { temperature: 0.3 }],
  ["The 🌟 star-player scored 40 points!", "sample"],
  ["<|endoftext|>", "sample"],
]
const ENDS = { eos: "the model ended it", stop: "a stop string came", length: "as long as asked for", context: "the context is full" }

let models = []
let current = null // the text that is shown
let writing = null // what aborts the text under way
const text = new TokenText($("text"), { look: (n) => looked(n), branch: (n, other) => branch(n, other) })
const second = new TokenText($("second"))

const model = () => models.find((one) => one.name === $("model").value)

function fail(message) {
  $("error").textContent = message
  $("error").hidden = !message
}

// A text from a prompt: a new root of the tree.
function generate() {
  const prompt = $("prompt").value
  write({ prompt }, { name: prompt.trim().slice(0, 30) || "from nothing", prompt, tokens: [], own: 0 })
}

// The text up to a token, another token in its place, and what the model makes of that.
function branch(n, other) {
  const { model, prompt, promptIds, tokens, id, without } = current
  const rank = 1 + tokens[n].best.findIndex((one) => one.id === other.id)
  const picked = { ...other, text: "", rank, surprise: -Math.log2(other.probability), best: tokens[n].best, picked: true }
  const fresh = { name: `${other.label} instead of ${tokens[n].label}`, parent: id, at: n, prompt, promptIds, tokens: [...tokens.slice(0, n), picked], own: n, without }
  if (other.end) finish({ ...fresh, model, settings: current.settings })
  else write({ ids: [...branches.ids(current, n), other.id], model, without }, fresh)
}

// A branch that ends with the token that was chosen: nothing is left to write.
function finish(fresh) {
  stop()
  $("status").textContent = ENDS.eos
  show(branches.keep({ ...fresh, finish_reason: "eos" }))
}

// Asks for a text and shows it as it comes; what has come when it is stopped stays.
async function write(ask, fresh) {
  stop()
  fail("")
  const asked = { model: $("model").value, settings: settings.settings(), ...ask }
  const mine = (writing = new AbortController())
  busy(true)
  let told = ""
  try {
    for await (const event of events("generate", asked, mine.signal)) {
      if (event.event === "start") begin(fresh, asked, event)
      else if (event.event === "token") grow(fresh, event)
      else if (event.event === "round") progress(fresh, event)
      else if (event.event === "error") throw new Error(event.error)
      else told = end(fresh, event)
    }
    if (!told) throw new Error("the connection broke off: generate again")
  } catch (error) {
    if (error.name !== "AbortError") fail(error.message)
    else if (fresh.id) fresh.finish_reason = "stopped"
    told = error.name === "AbortError" ? "stopped" : ""
  }
  if (writing === mine) {
    busy(false)
    $("status").textContent = told
    if (fresh.id && current === fresh) show(fresh)
  }
}

function begin(fresh, asked, start) {
  const seeded = { ...asked.settings, ...(asked.settings.temperature ? { seed: start.seed } : {}) }
  const picked = fresh.tokens.at(-1)
  if (picked?.picked && !picked.text) picked.text = start.last_piece
  Object.assign(fresh, { model: asked.model, promptIds: fresh.promptIds ?? start.ids, settings: seeded, n: start.n, beams: start.beams })
  current = branches.keep(fresh)
  if (!$("seeding").hidden && $("fresh").checked) $("seed").value = start.seed
  text.show(fresh.prompt, fresh.tokens, fresh.own)
  $("tools").hidden = true
  $("status").textContent = start.place ? `waiting: ${start.place} before you` : "reading the prompt …"
  branches.list(current, show)
}

function grow(fresh, token) {
  delete token.event
  fresh.tokens.push(token)
  if (current !== fresh) return
  text.box.querySelector(".draft")?.remove()
  text.add(token)
  knock.compare(fresh)
  $("status").textContent = `writing: ${fresh.tokens.length - fresh.own} of ${fresh.n}`
}

function progress(fresh, { round, text: best }) {
  if (current !== fresh) return
  const draft = text.box.querySelector(".draft") ?? text.box.appendChild(make("span", { className: "draft" }))
  draft.textContent = best
  $("status").textContent = `beam search: round ${round} of ${fresh.n}, the best so far`
}

function end(fresh, event) {
  Object.assign(fresh, { finish_reason: event.finish_reason, command: event.command, python: event.python })
  const n = fresh.tokens.slice(fresh.own).filter((token) => !token.picked).length
  return `${n} tokens in ${event.seconds.toFixed(1)} s: ${ENDS[event.finish_reason]}`
}

function busy(yes) {
  $("generate").disabled = yes || !model()?.loaded
  $("stop").disabled = !yes
  if (!yes) writing = null
}

function stop() {
  writing?.abort()
}

// Shows a text that is there.
function show(one) {
  if (writing && one !== current) stop()
  current = one
  text.show(one.prompt, one.tokens, one.own)
  $("tools").hidden = false
  $("name").value = one.name
  $("same").hidden = !one.python
  $("command").textContent = one.command || (one.without ? "No command line leaves out parts of a model." : "No command line has this prompt: some tokens are not what its text is cut into.")
  $("python").textContent = one.python ?? ""
  branches.list(one, show)
  compare()
  looked(one.tokens.length)
}

// What came, or may come, at a place of the text: for the bars and the pictures.
function looked(n) {
  const words = current.prompt + branches.textOf({ tokens: current.tokens.slice(0, n) })
  const place = { model: current.model, ids: branches.ids(current, n), words, chosen: current.tokens[n]?.id }
  views.look({ ...place, all: branches.ids(current), text: current.prompt + branches.textOf(current), branch: current })
}

function compare() {
  const other = branches.all.find((one) => String(one.id) === $("other").value)
  $("comparison").hidden = !other
  if (!other) return
  $("difference").textContent = branches.difference(current, other)
  second.show(other.prompt, other.tokens, branches.shared(current, other))
}

// Before there is a text: what may come after the prompt as it stands.
let typing = 0
function typed() {
  clearTimeout(typing)
  typing = setTimeout(() => {
    if (current || !model()?.loaded) return
    views.look({ model: $("model").value, prompt: $("prompt").value, words: $("prompt").value })
  }, 300)
}

function chosenModel() {
  const one = model()
  $("loading").hidden = one.loaded
  $("cost").textContent = `${one.name} is not loaded yet: ${one.cost}.`
  $("about").textContent = `${(one.parameters / 1e6).toFixed(0)} M parameters`
  if (one.loaded) views.heads(one)
  if (!writing) busy(false)
  typed()
}

async function loadModel() {
  const { name } = model()
  $("load").disabled = true
  $("cost").textContent = `loading ${name} …`
  fail("")
  try {
    const ready = await (await ask("load", { model: name })).json()
    models = models.map((one) => (one.name === name ? ready : one))
    for (const option of $("model").options) if (option.value === name) option.textContent = name
  } catch (error) {
    fail(error.message)
  }
  $("load").disabled = false
  chosenModel()
}

function example(n) {
  const [prompt, strategy, given = {}] = EXAMPLES[n]
  $("prompt").value = prompt
  settings.choose(strategy)
  for (const [name, value] of Object.entries(given)) settings.set(name, value)
  current ? views.redraw() : typed()
}

async function copy(id, button) {
  const before = button.textContent
  try {
    await navigator.clipboard.writeText($(id).textContent)
    button.textContent = "Copied"
  } catch { // no clipboard where the page is not on this machine: the text is selected instead
    getSelection().selectAllChildren($(id))
    button.textContent = "Selected: press Ctrl+C"
  }
  setTimeout(() => (button.textContent = before), 2000)
}

function download() {
  const blob = new Blob([JSON.stringify(branches.exported(), null, 1)], { type: "application/json" })
  const link = make("a", { href: URL.createObjectURL(blob), download: "branches.json" })
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 1000)
}

function listen() {
  $("generate").addEventListener("click", generate)
  $("stop").addEventListener("click", stop)
  $("load").addEventListener("click", loadModel)
  $("export").addEventListener("click", download)
  $("model").addEventListener("change", chosenModel)
  $("prompt").addEventListener("input", typed)
  $("prompt").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !$("generate").disabled) generate()
  })
  $("examples").addEventListener("change", (event) => event.target.value && example(Number(event.target.value)))
  $("name").addEventListener("input", () => {
    current.name = $("name").value
    branches.list(current, show)
  })
  $("other").addEventListener("change", compare)
  for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", () => copy(button.dataset.copy, button))
  document.addEventListener("keydown", (event) => event.key === "Escape" && stop())
  document.addEventListener("click", (event) => event.target.closest(".token, .alternatives") || text.close())
}

async function open() {
  EXAMPLES.forEach(([prompt, strategy], n) => $("examples").append(make("option", { value: n }, `${prompt} (${strategy})`)))
  if (matchMedia("(max-width: 40rem)").matches) $("settings").open = false
  settings.build(() => views.redraw())
  views.build()
  knock.build(write)
  listen()
  code.build().catch((error) => fail(error.message))
  try {
    models = await (await ask("models")).json()
  } catch (error) {
    return fail(error.message)
  }
  $("model").append(...models.map(({ name, loaded }) => make("option", { value: name }, loaded ? name : `${name} (not loaded)`)))
  settings.begin(models[0].own)
  chosenModel()
}

open()
