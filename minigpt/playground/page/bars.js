// The next token's distribution before and after each filter, as a table of bars.

import { link } from "./code.js"
import { count, make, percent } from "./parts.js"

const MEANING = {
  model: "what the model gave",
  penalties: "after penalties and bans",
  greedy: "only the likeliest",
  temperature: "scores (logits) divided by it",
  "top-k": "only the k likeliest",
  "top-p": "the likeliest that reach p",
  "min-p": "at least this share of the best",
}

export function table(told, chosen) {
  const head = make("tr", {}, make("th", { scope: "col" }, "token"))
  for (const step of told.steps) {
    const meaning = MEANING[step.name.split(" ")[0]] ?? ""
    const left = `${count(step.kept)} left, ${step.entropy.toFixed(1)} bits`
    head.append(make("th", { scope: "col" }, make("span", {}, step.name), make("small", {}, meaning), make("small", {}, left), make("small", {}, address(step))))
  }
  const most = Math.max(...told.steps.flatMap((step) => step.probabilities))
  const rows = told.tokens.map((token, n) => {
    const name = make("th", { scope: "row" }, make("code", {}, token.label), token.id === chosen ? " ✓" : "")
    const row = make("tr", { className: token.id === chosen ? "chosen" : "" }, name)
    for (const step of told.steps) {
      const p = step.probabilities[n]
      const bar = make("i", { className: "bar" })
      bar.style.setProperty("--share", p / most)
      row.append(make("td", { className: p ? "" : "dropped" }, bar, p ? percent(p) : "dropped"))
    }
    return row
  })
  const whole = make("table", { className: "bars" }, make("thead", {}, head), make("tbody", {}, ...rows))
  whole.style.setProperty("--steps", told.steps.length)
  return whole
}

// The link to a step's code: its file's name and line, so that the column stays narrow, and the folders in its title.
function address({ code, where }) {
  const short = link(code, where)
  const [file, line] = where.split("/").at(-1).split(":")
  short.replaceChildren(file, make("wbr"), `:${line}`)
  short.title = where
  short.setAttribute("aria-label", where)
  return short
}

// Puts new numbers into a table that is there, so that its bars move; false where it has other rows or columns.
export function update(old, told, chosen) {
  const fresh = table(told, chosen)
  const key = (t) => [...t.querySelectorAll("th[scope=row]"), ...t.querySelectorAll("th[scope=col] > span")].map((cell) => cell.textContent.replace(/ [\d.]+$/, "")).join("|")
  if (!old || key(old) !== key(fresh)) return fresh
  old.querySelector("thead").replaceWith(fresh.querySelector("thead"))
  const cells = fresh.querySelectorAll("td")
  old.querySelectorAll("td").forEach((cell, n) => {
    cell.className = cells[n].className
    cell.querySelector("i").style.cssText = cells[n].querySelector("i").style.cssText
    cell.lastChild.textContent = cells[n].lastChild.textContent
  })
  return old
}
