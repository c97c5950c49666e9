// The tree of a beam search: what it kept and what it dropped, drawn when its rounds are done.

import { drawn } from "./drawn.js"
import { missing } from "./knock.js"
import { $ } from "./parts.js"
import { searching } from "./settings.js"
import { events } from "./wire.js"

const MOST = 8 // new tokens, as minigpt/playground/beams.py has it: each is a column

// Searches from the token that was clicked, else from the prompt; `signal` ends it.
export async function tree({ model, ids, prompt, words, chosen, branch }, signal, shown) {
  const settings = searching()
  const asked = settings.max_new_tokens
  settings.max_new_tokens = Math.min(asked, MOST)
  const text = chosen !== undefined ? { ids } : branch ? { ids: branch.promptIds } : { prompt }
  const after = chosen === undefined ? "the prompt" : `“…${words.slice(-40)}”`
  const less = asked > MOST ? `, not ${asked}, which are too many to draw; a longer search may end otherwise` : ""
  const told = `${settings.num_beams} beams after ${after}, for ${settings.max_new_tokens} new tokens${less}. Each column is one more token, the best on top.${missing(branch)}`
  $("caption").textContent = told
  let end = null
  for await (const event of events("beams", { model, ...text, settings, without: branch?.without }, signal)) {
    if (event.event === "error") throw new Error(event.error)
    if (event.event === "round" && shown()) $("caption").textContent = `${told} Searching: round ${event.round} of ${settings.max_new_tokens} …`
    if (event.event === "end") end = event
  }
  if (!end) throw new Error("the connection broke off: choose the tab again")
  if (!shown()) return
  $("caption").textContent = told
  drawn(end, 0.7)
}
