// The tree of a beam search: what it kept and what it dropped, drawn when its rounds are done.

import { drawn } from "./drawn.js"
import { missing } from "./knock.js"
import { $, make } from "./parts.js"
import { searching, strategy } from "./settings.js"
import { events } from "./wire.js"

const MOST = 8 // new tokens, as minigpt/playground/beams.py has it: each is a column

// Searches from the token that was clicked, else from the prompt; `signal` ends it.
export async function tree({ model, ids, prompt, words, chosen, branch }, signal, shown) {
  const settings = searching()
  const asked = settings.max_new_tokens
  settings.max_new_tokens = Math.min(asked, MOST)
  const text = chosen !== undefined ? { ids } : branch ? { ids: branch.promptIds } : { prompt }
  const after = chosen === undefined ? "the prompt" : `“${words.length > 40 ? "…" : ""}${words.slice(-40)}”`
  const less = asked > MOST ? ` (${asked} are too many to draw, and a longer search may end in another text)` : ""
  const more = strategy() === "beams" ? "" : " “Beam search” in the settings lets you choose how many beams."
  const from = chosen === undefined ? "A new search from the prompt, not the text above." : "A new search from the token you clicked, not the text above."
  $("caption").replaceChildren(make("strong", {}, from), ` ${settings.num_beams} beams after ${after}, ${settings.max_new_tokens} new tokens${less}. Each column is one more token, the best on top.${more}${missing(branch)}`)
  let end = null
  for await (const event of events("beams", { model, ...text, settings, without: branch?.without }, signal)) {
    if (event.event === "error") throw new Error(event.error)
    if (event.event === "round" && shown()) progress(event.round, settings.max_new_tokens)
    if (event.event === "end") end = event
  }
  if (!end) throw new Error("the connection broke off: choose the tab again")
  if (shown()) drawn(end)
}

// Where no tree stands yet, how far the search is.
function progress(round, n) {
  if (!$("drawn").querySelector("svg")) $("drawn").replaceChildren(make("p", { className: "quiet" }, `Searching: round ${round} of ${n} …`))
}
