// What is written beside a text: the same prompt by another seed, strategy or model, in a chat template, with a part of
// the reader's own.

import { $, make } from "./parts.js"
import * as settings from "./settings.js"
import { ask } from "./wire.js"

const LATER = "The next Generate writes two texts"
const STRATEGIES = { greedy: "greedy", sample: "sampling", beams: "beam search" }

let models = []
let main = "" // the model of the text
let rendered = "" // what the template wrote of the prompt
let lost = "" // the part that was chosen, while the reader's file cannot be read
let on = {} // changed(): another choice; load(name): loads a model

const chosen = () => {
  const [kind, ...rest] = $("beside").value.split(":")
  const what = rest.join(":")
  const name = ["model", "chat"].includes(kind) ? what : main
  return { kind, what, model: models.find((one) => one.name === name) }
}
const templated = () => chosen().kind === "chat" && chosen().model.loaded
const edited = () => $("written").value !== rendered

// Whether what was chosen can be written now.
export const ready = () => !$("beside").value || Boolean(chosen().model?.loaded)

export function build(handlers) {
  on = handlers
  $("beside").addEventListener("change", () => {
    lost = ""
    choose($("beside").value)
  })
  $("beside-load").addEventListener("click", async () => {
    const { model } = chosen()
    $("beside-load").disabled = true
    $("beside-cost").textContent = `loading ${model.name} …`
    await on.load(model.name)
    $("beside-load").disabled = false
    choose($("beside").value)
  })
  $("written").addEventListener("input", note)
  $("rewrite").addEventListener("click", () => {
    $("written").value = rendered
    render()
  })
}

// The choices that there are, for a text of the model `name`.
export function list(all, name) {
  if (chosen().kind === "model" && chosen().model?.part) lost = $("beside").value
  const before = lost || $("beside").value
  models = all
  main = name
  const option = (value, text) => make("option", { value }, text)
  const group = (label, options) => (options.length ? [make("optgroup", { label }, ...options)] : [])
  const others = models.filter((one) => one.name !== main && !one.part)
  const chats = models.filter((one) => one.chat)
  const state = ({ loaded }) => (loaded ? "" : " (not loaded)")
  $("beside").replaceChildren(
    option("", "nothing"),
    option("seed", "another seed"),
    ...group("Another strategy", Object.entries(STRATEGIES).map(([key, text]) => option(`strategy:${key}`, text))),
    ...group("Your own part", models.filter((one) => one.part).map((one) => option(`model:${one.name}`, `your ${one.part}`))),
    ...group("Another model", others.map((one) => option(`model:${one.name}`, one.name + state(one)))),
    ...group("In its chat template", chats.map((one) => option(`chat:${one.name}`, `${one.name}, chat template${state(one)}`))),
  )
  if (![...$("beside").options].some((one) => one.value === before)) return choose("")
  $("beside").value = before
  lost = ""
  tell()
  if (!rendered) render()
}

// Chooses what is written beside; an own part brings the settings with which it has something to do.
export function choose(value) {
  $("beside").value = value
  $("later").textContent = value && LATER // nothing is written yet
  const { kind, model } = chosen()
  if (kind === "seed") settings.choose("sample")
  if (model?.needs && kind === "model") settings.suit(model.needs)
  $("written").value = rendered = ""
  tell()
  render()
}

// Whether it must be loaded first, and whether there is a template to be seen.
function tell() {
  const { model } = chosen()
  $("beside-loading").hidden = ready()
  $("beside-cost").textContent = ready() ? "" : `${model.name} is not loaded yet: ${model.cost}.`
  $("template").hidden = !templated()
  on.changed()
}

const template = async (model, prompt) => (await ask("template", { model, prompt })).json()

// Asks the template anew, unless somebody changed what it wrote.
let asking = 0
export async function render() {
  if (!templated() || (edited() && rendered)) return note()
  const mine = ++asking
  try {
    const told = await template(chosen().model.name, $("prompt").value)
    if (mine !== asking || !templated()) return
    $("written").value = rendered = told.text
    note(`${told.special.join(" ")} are special tokens here, one token each; in an ordinary prompt they are plain text.`)
  } catch (error) {
    if (mine === asking) note(error.message)
  }
}

function note(words) {
  const changed = edited() && Boolean(rendered)
  $("rewrite").hidden = !changed
  if (changed) $("written-note").textContent = "Changed by you: it is sent as it stands here, whatever the prompt above says."
  else if (typeof words === "string") $("written-note").textContent = words
}

// What to ask for beside a text that was asked for, and how to keep it; null for nothing.
export async function asked({ settings: given, prompt }, name) {
  const { kind, what, model } = chosen()
  $("later").textContent = ""
  if (!kind) return null
  const asked = { model: model?.name, settings: { ...given }, prompt }
  const label = { strategy: STRATEGIES[what], seed: "another seed", model: model.part ? `your ${model.part}` : model.name, chat: `${model.name}, chat template` }[kind]
  const fresh = { name: `${name} · ${label}`, prompt, tokens: [], own: 0, model: asked.model }
  if (kind === "seed") asked.settings.seed = settings.seedAfter(given.seed)
  if (kind === "strategy") asked.settings = settings.of(what, given.seed)
  if (kind === "chat") {
    asked.chat = fresh.chat = true
    if (edited()) asked.written = fresh.written = $("written").value
    else fresh.written = await template(model.name, prompt).then((told) => told.text, () => undefined) // generate says why
  }
  fresh.settings = asked.settings
  return { asked, fresh }
}
