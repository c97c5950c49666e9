// The tree of texts: every text that was written stays, with the one from which it branched.

import { $, bits, make } from "./parts.js"

export const all = []

// Keeps a text. `tokens` are all that follow the prompt, of which the first `own` are its parent's.
export function keep(branch) {
  branch.id = all.length ? all[all.length - 1].id + 1 : 1
  all.push(branch)
  return branch
}

export const ids = (branch, n = branch.tokens.length) => [...branch.promptIds, ...branch.tokens.slice(0, n).map((token) => token.id)]

export const textOf = (branch) => branch.tokens.map((token) => token.text).join("")

const surprise = (tokens) => tokens.reduce((sum, token) => sum + token.surprise, 0) / Math.max(1, tokens.length)

// Draws the tree; `choose(branch)` shows one.
export function list(current, choose) {
  $("empty").hidden = all.length > 1
  $("export").disabled = !all.length
  $("branches").replaceChildren(...all.filter((branch) => !branch.parent).map((branch) => item(branch, current, choose)))
  const none = make("option", { value: "" }, "nothing")
  const others = all.filter((branch) => branch !== current)
  const before = $("other").value
  $("other").replaceChildren(none, ...others.map((branch) => make("option", { value: branch.id }, `${branch.id}: ${branch.name}`)))
  if (others.some((branch) => String(branch.id) === before)) $("other").value = before
}

function item(branch, current, choose) {
  const text = textOf({ tokens: branch.tokens.slice(branch.own) }).trim().slice(0, 60)
  const words = [make("strong", {}, `${branch.id}: ${branch.name}`), make("span", { className: "quiet" }, text || "(nothing)")]
  const button = make("button", { type: "button", onclick: () => choose(branch) }, ...words)
  if (branch === current) button.setAttribute("aria-current", "true")
  const below = all.filter((other) => other.parent === branch.id).map((other) => item(other, current, choose))
  return make("li", {}, button, ...(below.length ? [make("ul", {}, ...below)] : []))
}

// How two texts differ, in a sentence.
export function difference(one, other) {
  const same = shared(one, other)
  const told = [one, other].map((branch) => `${branch.id}: ${branch.tokens.length} tokens, ${bits(surprise(branch.tokens))} of surprise each`)
  const begin = one.prompt === other.prompt ? `The first ${same} tokens after the prompt are the same.` : "The prompts differ."
  return `${begin} ${told.join(". ")}.`
}

export function shared(one, other) {
  if (one.prompt !== other.prompt) return 0
  let n = 0
  while (n < one.tokens.length && n < other.tokens.length && one.tokens[n].id === other.tokens[n].id) n++
  return n
}

// All texts as JSON, with what is needed to write each of them again.
export function exported() {
  const tokens = (branch) => branch.tokens.map(({ id, text, bytes, probability, rank, surprise, picked }) => ({ id, text, bytes, probability, rank, surprise, ...(picked ? { picked } : {}) }))
  return all.map((branch) => ({ ...branch, text: textOf(branch), tokens: tokens(branch) }))
}
