// The reader's own file: what the checker says about each exercise in it, anew after every save.

import { $, make } from "./parts.js"
import { ask } from "./wire.js"

const EVERY = 1000 // milliseconds between two looks

let known = [] // what the checker says about each exercise

// Follows the file, if there is one; `changed(models)` is told the models with a part of it.
export async function watch(changed) {
  let seen = ""
  for (;;) {
    if (!document.hidden) {
      try {
        const told = await (await ask("mine")).json()
        if (!told.file) return
        const now = JSON.stringify(told)
        if (now !== seen) {
          show(told, seen !== "")
          await changed(told.models)
        }
        seen = now
      } catch {} // the server is gone, or busy: what is asked of it next says so
    }
    await new Promise((resume) => setTimeout(resume, EVERY))
  }
}

const reportOn = (model) => known.find(({ name }) => model.endsWith(` with your ${name}`))

// The part in a model that its check found wrong; nothing where it is right, or there is none.
export const wrongIn = (model) => {
  const report = reportOn(model)
  return report && !report.ok ? report.name : undefined
}

// A sentence for the bars: their filters are the library's, also where the text is drawn by one of the reader's own.
export const filtered = (model) => {
  const report = reportOn(model)
  return report?.kind === "probs" ? ` These bars are made by the library’s ${report.name}, not by yours.` : ""
}

function show({ file, at, reports, trouble, models }, again) {
  known = reports
  const head = make("p", { role: "status" }, make("strong", {}, file), again ? `: saved, and checked again at ${at}` : `: checked at ${at}`)
  const unfinished = trouble.length > 0 || reports.some((report) => report.blank)
  const words = unfinished ? "It is checked again when you save it." : "None of it has a place in a model that writes, so there is nothing to see it at work in."
  const none = models.length ? [] : [make("p", { className: "quiet" }, words)]
  $("mine").replaceChildren(head, ...reports.map(verdict), ...trouble.map((line) => make("p", { className: "notice" }, `Not run: ${line}`)), ...none)
  $("mine").hidden = false
}

// ✓ merge: right, on 244 inputs; or what is wrong, with the proof to unfold.
function verdict({ ok, blank, text }) {
  const [first, ...lines] = text.split("\n")
  const line = make("p", { className: `verdict ${ok ? "right-part" : blank ? "quiet" : "wrong-part"}` }, first)
  if (!lines.length) return line
  return make("div", {}, line, make("details", { open: !ok }, make("summary", {}, "Why"), make("pre", {}, lines.join("\n"))))
}
