// A text as it comes from the server: kept as a branch, shown in a box, told about in a line.

import { keep } from "./branches.js"
import { wrongIn } from "./mine.js"
import { count, make } from "./parts.js"
import { events } from "./wire.js"

export const ENDS = {
  eos: "the model ended it",
  stop: "a stop string came",
  context: "the context is full",
  part: "your part ended it",
}

// Asks for a text and follows it; what has come when it is stopped stays. `box` is a TokenText, `say(line)` tells how far
// it is, `on.begun(start)` that it is kept, `on.grown()` that it has a token more, `on.shown()` whether it is to be seen.
// Gives what went wrong, or nothing.
export async function follow(asked, fresh, { box, say, signal, on }) {
  let ended = false
  try {
    for await (const event of events("generate", asked, signal)) {
      if (event.event === "start") begin(asked, fresh, event, on, say)
      else if (event.event === "token") grow(fresh, event, box, on, say)
      else if (event.event === "round") progress(fresh, event, box, on, say)
      else if (event.event === "error") throw new Error(event.error)
      else ended = end(fresh, event, say)
    }
    if (!ended) throw new Error("the connection broke off: generate again")
    return ""
  } catch (error) {
    const stopped = error.name === "AbortError"
    if (stopped && fresh.id) fresh.finish_reason = "stopped"
    say(!stopped ? "" : fresh.id ? `stopped after ${count(written(fresh))}` : "stopped")
    return stopped ? "" : error.message
  }
}

// The tokens that the model wrote itself.
const written = (fresh) => fresh.tokens.slice(fresh.own).filter((token) => !token.picked).length

function begin(asked, fresh, start, on, say) {
  const seeded = { ...asked.settings, ...(asked.settings.temperature ? { seed: start.seed } : {}) }
  const picked = fresh.tokens.at(-1)
  if (picked?.picked && !picked.text) picked.text = start.last_piece
  keep(Object.assign(fresh, { model: asked.model, promptIds: fresh.promptIds ?? start.ids, settings: seeded, n: start.n, beams: start.beams, wrong: wrongIn(asked.model) }))
  on.begun(start)
  say(start.place ? `waiting: ${start.place} before you` : "reading the prompt …")
}

function grow(fresh, token, box, on, say) {
  delete token.event
  fresh.tokens.push(token)
  if (!on.shown()) return
  box.box.querySelector(".draft")?.remove()
  box.add(token)
  say(`writing: ${fresh.tokens.length - fresh.own} of ${fresh.n}`)
  on.grown()
}

function progress(fresh, { round, text }, box, on, say) {
  if (!on.shown()) return
  const draft = box.box.querySelector(".draft") ?? box.box.appendChild(make("span", { className: "draft" }))
  draft.textContent = text
  say(`beam search: round ${round} of ${fresh.n}, the best so far`)
}

function end(fresh, event, say) {
  Object.assign(fresh, { finish_reason: event.finish_reason, command: event.command, python: event.python })
  const why = ENDS[event.finish_reason] ?? `stopped at the limit of ${fresh.n}`
  say(`${count(written(fresh))} in ${event.seconds.toFixed(1)} s: ${why}`)
  return true
}
