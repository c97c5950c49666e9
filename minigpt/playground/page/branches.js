// The tree of texts: every text that was written stays, with the one from which it branched.

import { $, bits, count, make } from "./parts.js"

export const all = []

// Keeps a text. `tokens` are all that follow the prompt, of which the first `own` are its parent's.
export function keep(branch) {
  const same = branch.parent ? undefined : all.find((other) => other.name === branch.name)
  const apart = same ? differing(branch, same) : ""
  if (apart) branch.name = `${branch.name} · ${apart}`
  branch.id = all.length ? all[all.length - 1].id + 1 : 1
  all.push(branch)
  return branch
}

export const ids = (branch, n = branch.tokens.length) => [...branch.promptIds, ...branch.tokens.slice(0, n).map((token) => token.id)]

// What stands before a text's tokens: the prompt, or what a chat template made of it.
export const promptOf = (branch) => branch.written ?? branch.prompt

const SHORT = { num_beams: "beams", temperature: "T", top_k: "top-k", top_p: "top-p", min_p: "min-p", repetition_penalty: "penalty", seed: "seed", max_new_tokens: "length" }

// In what a text's model and settings are others than those of one of the same name.
function differing({ model, settings }, same) {
  const names = Object.keys(SHORT).filter((name) => settings[name] !== undefined && settings[name] !== same.settings[name])
  const words = names.map((name) => (name !== "temperature" || settings.temperature ? `${SHORT[name]} ${settings[name]}` : settings.num_beams > 1 ? "" : "greedy"))
  return [model !== same.model && model, ...words].filter(Boolean).join(", ")
}

// A text's model and settings, in a few words.
export function about({ model, settings: { temperature, num_beams, top_k, top_p, min_p, repetition_penalty, seed } }) {
  const filters = [top_k && `top-k ${top_k}`, top_p < 1 && `top-p ${top_p}`, min_p && `min-p ${min_p}`]
  const how = num_beams > 1 ? [`${num_beams} beams`] : temperature ? [`temperature ${temperature}`, ...filters, `seed ${seed}`] : ["greedy"]
  const penalty = repetition_penalty && repetition_penalty !== 1 && `repetition penalty ${repetition_penalty}`
  return [model, ...how, penalty].filter(Boolean).join(" · ")
}

// Why no command line writes a text.
export function uncommanded({ chat, without, model }) {
  if (without) return "No command line leaves out parts of a model."
  if (chat) return "No command line writes a single answer; minigpt chat holds conversations."
  if (model.includes(" with your ")) return "No command line writes with a part of your own."
  return "No command line has this prompt: some tokens are not what its text is cut into."
}

export const textOf = (branch) => branch.tokens.map((token) => token.text).join("")

const surprise = (tokens) => tokens.reduce((sum, token) => sum + token.surprise, 0) / Math.max(1, tokens.length)

// Draws the tree; `choose(branch)` shows one. `beside` is the one that is compared, or null.
export function list(current, beside, choose) {
  $("empty").hidden = all.length > 1
  $("export").disabled = !all.length
  $("branches").replaceChildren(...all.filter((branch) => !branch.parent).map((branch) => item(branch, current, choose)))
  const none = make("option", { value: "" }, "no other text")
  const others = all.filter((branch) => branch !== current)
  $("other").replaceChildren(none, ...others.map((branch) => make("option", { value: branch.id }, `${branch.id}: ${branch.name}`)))
  $("other").value = beside?.id ?? ""
}

function item(branch, current, choose) {
  const text = textOf({ tokens: branch.tokens.slice(branch.own) }).trim().slice(0, 200)
  const words = [make("strong", {}, `${branch.id}: ${branch.name}`), make("span", { className: "quiet" }, text || "(nothing)")]
  const button = make("button", { type: "button", onclick: () => choose(branch) }, ...words)
  if (branch === current) button.setAttribute("aria-current", "true")
  const below = all.filter((other) => other.parent === branch.id).map((other) => item(other, current, choose))
  return make("li", {}, button, ...(below.length ? [make("ul", {}, ...below)] : []))
}

// How two texts differ, in a sentence.
export function difference(one, other) {
  const same = shared(one, other)
  const told = [one, other].map((branch) => `${branch.id}: ${count(branch.tokens.length)}, ${bits(surprise(branch.tokens))} of surprise each`)
  const all = same === one.tokens.length && same === other.tokens.length
  const first = same === 0 ? "They differ from the first token on." : same === 1 ? "The first token after the prompt is the same." : `The first ${same} tokens after the prompt are the same.`
  const alike = all ? `Both texts are the same: all ${count(same)}.${unseen(one, other)}` : first
  const begin = one.prompt === other.prompt ? alike : "The prompts differ."
  return `${begin} ${told.join(". ")}.`
}

function unseen(...pair) {
  const wrong = pair.find((branch) => branch.wrong)?.wrong
  return wrong ? ` Equal here does not mean right: your ${wrong} fails its check, and the difference does not show in this text.` : ""
}

export function shared(one, other) {
  if (one.prompt !== other.prompt) return 0
  let n = 0
  while (n < one.tokens.length && n < other.tokens.length && sameToken(one.tokens[n], other.tokens[n])) n++
  return n
}

// By their bytes, since two models may have two vocabularies; tokens that have none are the same by id.
const sameToken = (one, other) => one.bytes === other.bytes && (one.bytes || one.id === other.id)

// All texts as JSON, with what is needed to write each of them again.
export function exported() {
  const tokens = (branch) => branch.tokens.map(({ id, text, bytes, probability, rank, surprise, picked }) => ({ id, text, bytes, probability, rank, surprise, ...(picked ? { picked } : {}) }))
  return all.map((branch) => ({ ...branch, text: textOf(branch), tokens: tokens(branch) }))
}
