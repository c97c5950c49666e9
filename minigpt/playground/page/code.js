// The code behind what is shown: links that name its file and line, and the panel with its lines.

import { $, make } from "./parts.js"
import { ask } from "./wire.js"

let places = {} // the file and the line of each name

// A link to the code of a name, as "minigpt/generation/sampling.py:40".
export function link(name, place = places[name]) {
  return make("button", { type: "button", className: "code", title: "Show the code that computes it", "aria-haspopup": "dialog", onclick: () => open(name) }, place)
}

// Lets an element link to the code of a name, at once or as soon as the places are known.
export function point(spot, name) {
  if (spot.dataset.code === name && spot.firstChild) return
  spot.dataset.code = name
  spot.replaceChildren(...(places[name] ? [link(name)] : []))
}

export async function build() {
  const panel = $("code")
  $("code-shut").addEventListener("click", () => panel.close())
  panel.addEventListener("click", (event) => event.target === panel && panel.close()) // beside it
  panel.addEventListener("keydown", (event) => event.key === "Escape" && event.stopPropagation()) // which stops no text
  places = await (await ask("code")).json()
  for (const spot of document.querySelectorAll("[data-code]")) point(spot, spot.dataset.code)
}

async function open(name) {
  const [heading, told, text] = ["code-file", "code-told", "code-text"].map($)
  let found
  try {
    found = await (await ask(`code/${name}`)).json()
  } catch (error) {
    found = { file: "The code", lines: [], error: error.message }
  }
  const { file, line, lines, error } = found
  heading.replaceChildren(...file.split(/(?<=\/)/).flatMap((part) => [part, make("wbr")])) // where a phone may break it
  told.textContent = error ?? `Lines ${line} to ${line + lines.length - 1}, as they run here.`
  text.hidden = Boolean(error)
  text.replaceChildren(...lines.map(([code, comment], n) => numbered(line + n, code, comment)))
  if (!$("code").open) $("code").showModal()
  text.scrollTo(0, 0)
}

function numbered(n, code, comment) {
  const row = make("span", { className: "line" }, code, make("span", { className: "comment" }, comment), "\n")
  row.dataset.n = n
  return row
}
