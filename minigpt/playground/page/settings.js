// The settings: one slider each, hidden where the strategy does not use it.

import { $, make } from "./parts.js"

const MEANING = {
  greedy: "Always the likeliest token. The same text every time.",
  sample: "Draws by chance, likely tokens more often. The sliders shape the chances.",
  beams: "Keeps several texts at once and ends with the likeliest as a whole.",
}
const SLIDERS = [
  { name: "temperature", label: "Temperature", min: 0.1, max: 2, step: 0.05, value: 0.8, help: "below 1 safer, above 1 wilder", for: ["sample"] },
  { name: "top_k", label: "Top-k", min: 0, max: 100, step: 1, value: 0, off: 0, help: "only the k likeliest tokens", for: ["sample"] },
  { name: "top_p", label: "Top-p", min: 0.05, max: 1, step: 0.01, value: 1, off: 1, help: "the likeliest that together reach p", for: ["sample"] },
  { name: "min_p", label: "Min-p", min: 0, max: 0.5, step: 0.01, value: 0, off: 0, help: "at least this share of the best one's probability", for: ["sample"] },
  { name: "num_beams", label: "Beams", min: 2, max: 8, step: 1, value: 3, help: "how many texts are kept", for: ["beams"] },
  { name: "repetition_penalty", label: "Repetition penalty", min: 1, max: 2, step: 0.05, value: 1, off: 1, help: "tokens that came before become less likely", for: ["greedy", "sample", "beams"] },
  { name: "max_new_tokens", label: "New tokens", min: 1, max: 200, step: 1, value: 40, help: "at most so many", for: ["greedy", "sample", "beams"] },
]

export const strategy = () => document.querySelector("[name=strategy]:checked").value

// Builds the sliders; `moved` is called whenever the distribution may be another one.
export function build(moved) {
  for (const slider of SLIDERS) {
    const { name, label, min, max, step, value, help } = slider
    const input = make("input", { type: "range", id: name, min, max, step, value })
    const output = make("output", { id: `${name}-value` })
    input.setAttribute("aria-describedby", `${name}-help`)
    input.addEventListener("input", () => {
      tell(slider)
      moved()
    })
    const head = make("label", { htmlFor: name }, label)
    const row = make("div", { className: "slider", id: `${name}-row` }, head, output, input, make("small", { id: `${name}-help`, className: "quiet" }, help))
    $("sliders").append(row)
    tell(slider)
  }
  for (const radio of document.querySelectorAll("[name=strategy]")) radio.addEventListener("change", () => (follow(), moved()))
  $("fresh").addEventListener("change", follow)
  $("seed").addEventListener("input", () => (($("fresh").checked = false), follow()))
  follow()
}

function tell({ name, off }) {
  const value = Number($(name).value)
  $(`${name}-value`).textContent = value === off ? "off" : String(value)
}

function follow() {
  for (const slider of SLIDERS) $(`${slider.name}-row`).hidden = !slider.for.includes(strategy())
  $("meaning").textContent = MEANING[strategy()]
  $("seeding").hidden = strategy() !== "sample"
}

// What the model's own files say, as the first position of the sliders.
export function begin(own) {
  choose(own.temperature ? "sample" : "greedy")
  for (const slider of SLIDERS) {
    if (own[slider.name] === undefined || (slider.name === "temperature" && !own.temperature)) continue
    $(slider.name).value = own[slider.name]
    tell(slider)
  }
}

export function choose(name) {
  document.querySelector(`[name=strategy][value=${name}]`).checked = true
  follow()
}

export function set(name, value) {
  $(name).value = value
  tell(SLIDERS.find((slider) => slider.name === name))
}

// The settings as the server takes them: all of them said, so that none comes from elsewhere.
export function settings(which = strategy()) {
  const value = (name) => Number($(name).value)
  const all = { max_new_tokens: value("max_new_tokens"), repetition_penalty: value("repetition_penalty") }
  if (which === "beams") return searching()
  if (which === "greedy") return { ...all, temperature: 0 }
  const filters = { temperature: value("temperature"), top_k: value("top_k"), top_p: value("top_p"), min_p: value("min_p") }
  return { ...all, ...filters, ...($("fresh").checked ? {} : { seed: value("seed") }) }
}

// Those of a beam search, whichever strategy is chosen.
export function searching() {
  const value = (name) => Number($(name).value)
  return { max_new_tokens: value("max_new_tokens"), repetition_penalty: value("repetition_penalty"), temperature: 0, num_beams: value("num_beams") }
}

// Those of a strategy, which draws by this seed if it draws.
export const of = (which, seed) => ({ ...settings(which), ...(which === "sample" && seed !== undefined ? { seed } : {}) })

export const newSeed = () => crypto.getRandomValues(new Uint32Array(1))[0] >>> 1

// Another seed than this one: the next, or one by chance where each text gets a new one.
export const seedAfter = (seed) => ($("fresh").checked ? newSeed() : seed + 1)

// Strategy and sliders with which there is something to do for a part: what it needs, where the sliders say it is off.
export function suit(needs) {
  choose(needs.num_beams ? "beams" : needs.temperature === 0 ? "greedy" : "sample")
  for (const slider of SLIDERS) {
    const wanted = needs[slider.name]
    if (wanted === undefined || slider.off === undefined) continue
    if (wanted === slider.off || Number($(slider.name).value) === slider.off) set(slider.name, wanted)
  }
}

// Those that shape the next token's distribution; a beam search has no filters.
export function shaping() {
  const { max_new_tokens, num_beams, seed, ...shape } = settings()
  return num_beams ? { ...shape, temperature: 1, top_k: 0, top_p: 1, min_p: 0 } : shape
}
