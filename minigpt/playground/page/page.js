// The page: prompt and settings in, a text out, and what is done with it.

import * as beside from "./beside.js"
import * as branches from "./branches.js"
import * as code from "./code.js"
import * as knock from "./knock.js"
import { watch } from "./mine.js"
import { $, make } from "./parts.js"
import * as settings from "./settings.js"
import { ENDS, follow } from "./streams.js"
import { TokenText } from "./tokens.js"
import * as views from "./views.js"
import { ask } from "./wire.js"

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

let models = []
let current = null // the text that is shown
let companion = null // the one beside it
let coming = null // the one that will be beside it as soon as it begins
let writing = null // what aborts the texts under way
const text = new TokenText($("text"), { look: (n) => looked(n), branch: (n, other) => branch(n, other) })
const second = new TokenText($("second"), { look: (n) => looked(n, companion), branch: (n, other) => branch(n, other, companion) })

const model = () => models.find((one) => one.name === $("model").value)

function fail(message) {
  $("error").textContent = message
  $("error").hidden = !message
}

// A text from a prompt, and what was chosen beside it: new roots of the tree.
async function generate() {
  const prompt = $("prompt").value
  const asked = { model: $("model").value, prompt, settings: settings.settings() }
  if ($("beside").value && asked.settings.temperature) asked.settings.seed ??= settings.newSeed()
  const name = prompt.trim().slice(0, 30) || "from nothing"
  $("generate").disabled = true
  const other = await beside.asked(asked, name)
  companion = null
  write(asked, { name, prompt, tokens: [], own: 0 }, other)
}

// The text up to a token, another token in its place, and what the model makes of that.
function branch(n, other, from = current) {
  const { model, prompt, promptIds, tokens, id, without, chat, written } = from
  const rank = 1 + tokens[n].best.findIndex((one) => one.id === other.id)
  const picked = { ...other, text: "", rank, surprise: -Math.log2(other.probability), best: tokens[n].best, picked: true }
  const fresh = { name: `${other.label} instead of ${tokens[n].label}`, parent: id, at: n, prompt, promptIds, tokens: [...tokens.slice(0, n), picked], own: n, without, chat, written }
  if (other.end) finish({ ...fresh, model, settings: from.settings })
  else write({ ids: [...branches.ids(from, n), other.id], model, without, chat }, fresh)
}

// A branch that ends with the token that was chosen: nothing is left to write.
function finish(fresh) {
  stop()
  show(branches.keep({ ...fresh, finish_reason: "eos", told: ENDS.eos }))
}

// Asks for a text, and for another beside it, and shows them as they come.
async function write(ask, fresh, other) {
  stop()
  fail("")
  const asked = { model: $("model").value, settings: settings.settings(), ...ask }
  const mine = (writing = new AbortController())
  coming = other?.fresh ?? null
  const { signal } = mine
  busy(true)
  const say = (words) => {
    fresh.told = words
    if (writing === mine && (current === fresh || !fresh.id)) $("status").textContent = words
  }
  let begun
  const started = new Promise((resume) => (begun = resume))
  const on = { begun: (start) => begin(fresh, start, begun), grown: () => knock.compare(fresh), shown: () => current === fresh }
  const wrong = await Promise.all([
    follow(asked, fresh, { box: text, say, signal, on }).finally(() => begun(false)),
    started.then((yes) => (yes && other ? writeBeside(other, signal) : "")),
  ])
  if (writing !== mine) return
  coming = null
  busy(false)
  fail(wrong[0] || (wrong[1] && `Beside it: ${wrong[1]}`))
  if (fresh.id && current === fresh) show(fresh)
}

function begin(fresh, start, begun) {
  current = fresh
  if (!$("seeding").hidden && $("fresh").checked) $("seed").value = start.seed
  text.show(branches.promptOf(fresh), fresh.tokens, fresh.own)
  $("tools").hidden = true
  $("difference").textContent = ""
  if (coming) second.show(branches.promptOf(coming), [])
  titles()
  branches.list(current, companion, show)
  begun(true)
}

// The second column, as it is written; the text is kept as any other.
function writeBeside({ asked, fresh }, signal) {
  const here = () => companion === fresh
  const begun = () => {
    companion = fresh
    coming = null
    second.show(branches.promptOf(fresh), [])
    titles()
    branches.list(current, companion, show)
  }
  const say = (words) => (here() || !fresh.id) && ($("second-status").textContent = fresh.told = words)
  return follow(asked, fresh, { box: second, say, signal, on: { begun, grown: () => {}, shown: here } })
}

function busy(yes) {
  $("generate").disabled = yes || !model()?.loaded || !beside.ready()
  $("stop").disabled = !yes
  $("swap").disabled = yes
  for (const it of [$("columns"), $("difference")]) it.style.minHeight = yes && it.offsetHeight ? `${it.offsetHeight}px` : "" // a text grows into the room of the one before
  if (!yes) writing = null
}

function stop() {
  writing?.abort()
}

// Shows a text that is there.
function show(one) {
  if (writing && one !== current) stop()
  current = one
  if (companion === one) companion = null
  coming = null
  text.show(branches.promptOf(one), one.tokens, one.own)
  $("status").textContent = one.told ?? ""
  $("tools").hidden = false
  $("name").value = one.name
  $("same").hidden = !one.python
  document.querySelector("[data-copy=command]").hidden = !one.command
  $("command").textContent = one.command || branches.uncommanded(one)
  $("python").textContent = one.python ?? ""
  branches.list(one, companion, show)
  compare()
  looked(one.tokens.length)
}

// What came, or may come, at a place of a text: for the bars and the pictures.
function looked(n, one = current) {
  const words = branches.promptOf(one) + branches.textOf({ tokens: one.tokens.slice(0, n) })
  const place = { model: one.model, ids: branches.ids(one, n), words, chosen: one.tokens[n]?.id }
  views.look({ ...place, all: branches.ids(one), text: branches.promptOf(one) + branches.textOf(one), branch: one })
}

// The other text beside it, and where both part.
function compare() {
  titles()
  $("second-status").textContent = companion?.told ?? ""
  $("difference").textContent = companion ? branches.difference(current, companion) : ""
  if (!companion) return
  const same = branches.shared(current, companion)
  second.show(branches.promptOf(companion), companion.tokens, same)
  for (const column of [text, second]) column.span(same)?.classList.add("differs")
}

function titles() {
  const other = companion ?? coming
  $("comparison").hidden = $("first-about").hidden = $("difference").hidden = !other
  $("first-name").textContent = other ? `${current.id}: ${current.name}` : "Text"
  if (!other) return
  $("first-about").textContent = branches.about(current)
  $("second-name").textContent = other.id ? `${other.id}: ${other.name}` : other.name
  $("second-about").textContent = branches.about(other)
}

function swap() {
  const [one, other] = [companion, current]
  companion = other
  show(one)
}

// Before there is a text: what may come after the prompt as it stands.
let typing = 0
function typed() {
  clearTimeout(typing)
  typing = setTimeout(() => {
    beside.render()
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
  if (one.needs) settings.suit(one.needs)
  beside.list(models, one.name)
  if (!writing) busy(false)
  typed()
}

async function loadModel() {
  const { name } = model()
  $("load").disabled = true
  $("cost").textContent = `loading ${name} …`
  await loaded(name)
  $("load").disabled = false
  chosenModel()
}

async function loaded(name) {
  fail("")
  try {
    const ready = await (await ask("load", { model: name })).json()
    list(models.map((one) => (one.name === name ? ready : one)))
  } catch (error) {
    fail(error.message)
  }
}

// The models that there are, in both lists.
function list(found) {
  const before = $("model").value
  models = found
  $("model").replaceChildren(...models.map(({ name, loaded }) => make("option", { value: name }, loaded ? name : `${name} (not loaded)`)))
  if (models.some((one) => one.name === before)) $("model").value = before
  for (const one of models) if (one.loaded) views.know(one)
  beside.list(models, $("model").value)
}

// Other parts in the reader's file; the first of them is what a newcomer wants to see.
let offered = false
async function changed(names) {
  list(await (await ask("models")).json())
  chosenModel()
  if (offered || !names.length) return
  offered = true
  beside.choose(`model:${names[0]}`)
}

function example(n) {
  const [prompt, strategy, given = {}] = EXAMPLES[n]
  $("prompt").value = prompt
  settings.choose(strategy)
  for (const [name, value] of Object.entries(given)) settings.set(name, value)
  if (current) views.redraw()
  typed()
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
    titles()
    branches.list(current, companion, show)
  })
  $("other").addEventListener("change", () => {
    companion = branches.all.find((one) => String(one.id) === $("other").value) ?? null
    show(current)
  })
  $("swap").addEventListener("click", swap)
  for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", () => copy(button.dataset.copy, button))
  document.addEventListener("keydown", (event) => event.key === "Escape" && stop())
  document.addEventListener("click", (event) => [text, second].forEach((column) => column.leave(event.target)))
}

async function open() {
  EXAMPLES.forEach(([prompt, strategy], n) => $("examples").append(make("option", { value: n }, `${prompt} (${strategy})`)))
  if (matchMedia("(max-width: 40rem)").matches) $("settings").open = false
  settings.build(views.settle)
  views.build()
  knock.build(write)
  beside.build({ load: loaded, changed: () => writing || busy(false) })
  listen()
  code.build().catch((error) => fail(error.message))
  try {
    list(await (await ask("models")).json())
  } catch (error) {
    return fail(error.message)
  }
  settings.begin(models[0].own)
  chosenModel()
  watch(changed)
}

open()
