// A text as tokens: tinted, told about, and each with what else could have come in its place.

import { $, bits, make, percent } from "./parts.js"

// What else is known of a token, in a few words.
function facts({ rank, surprise, picked }) {
  const place = rank === 1 ? "the likeliest" : `rank ${rank}`
  return [place, `surprise ${bits(surprise)}`, ...(picked ? ["chosen by you"] : [])].join(" · ")
}

// The tokens of a text in a box. `on.look(n)` is told which token is looked at, `on.branch(n, other)` where to branch.
export class TokenText {
  constructor(box, on = {}) {
    this.box = box
    this.on = on
    this.tokens = []
    box.addEventListener("click", (event) => this.open(this.place(event.target)))
    box.addEventListener("pointerover", (event) => this.tell(this.place(event.target)))
    box.addEventListener("focusin", (event) => this.tell(this.place(event.target)))
    box.addEventListener("keydown", (event) => this.key(event))
  }

  show(prompt, tokens, own = 0) {
    this.close()
    this.tokens = []
    $("info").textContent = ""
    this.box.replaceChildren(make("span", { className: "prompt" }, prompt))
    tokens.forEach((token, n) => this.add(token, n < own))
  }

  add(token, shared = false) {
    const n = this.tokens.push(token) - 1
    const whole = token.text !== ""
    const name = { "aria-label": `${token.label}, ${percent(token.probability)}` }
    const opens = this.on.branch ? { ...name, role: "button", "aria-haspopup": "dialog", tabIndex: n ? -1 : 0 } : {}
    const span = make("span", { className: "token", ...opens }, whole ? token.text : token.label)
    span.dataset.n = n
    span.style.setProperty("--p", token.probability)
    span.classList.toggle("mark", !whole)
    span.classList.toggle("newline", token.text.includes("\n"))
    span.classList.toggle("shared", shared)
    span.classList.toggle("picked", Boolean(token.picked))
    this.box.append(span)
  }

  span(n) {
    return this.box.querySelector(`[data-n="${n}"]`)
  }

  place(element) {
    const span = element.closest?.(".token")
    return span ? Number(span.dataset.n) : -1
  }

  tell(n) {
    const token = this.tokens[n]
    if (!token) return
    $("info").replaceChildren(make("code", {}, token.label), ` id ${token.id} · bytes ${token.bytes || "none"} · ${percent(token.probability)} · ${facts(token)}`)
  }

  key(event) {
    const n = this.place(event.target)
    if (n < 0) return
    const to = { ArrowRight: n + 1, ArrowLeft: n - 1, Home: 0, End: this.tokens.length - 1 }[event.key]
    if (event.key === "Enter" || event.key === " ") this.open(n)
    else if (to !== undefined && this.span(to)) this.focus(to)
    else return
    event.preventDefault()
  }

  focus(n) {
    for (const span of this.box.querySelectorAll('.token[tabindex="0"]')) span.tabIndex = -1
    this.span(n).tabIndex = 0
    this.span(n).focus()
  }

  // The box with a token's alternatives, below it.
  open(n) {
    const token = this.tokens[n]
    if (!token || !this.on.branch) return
    this.close()
    this.tell(n)
    this.on.look?.(n)
    const span = this.span(n)
    span.classList.add("open")
    const rows = token.best.map((other) => this.alternative(n, token, other))
    const head = make("p", {}, "Chosen: ", make("code", {}, token.label), ` ${percent(token.probability)} · ${facts(token)}`)
    const shut = make("button", { type: "button", className: "shut", title: "Escape", onclick: () => this.close(true) }, "×")
    shut.setAttribute("aria-label", "Close")
    const hint = make("p", { className: "quiet" }, "Click another: the text goes on from there.")
    this.dialog = make("div", { className: "alternatives", role: "dialog", "aria-label": `Instead of ${token.label}` }, shut, head, hint, ...rows)
    this.dialog.addEventListener("keydown", (event) => this.walk(event, n))
    this.box.after(this.dialog)
    const home = this.dialog.offsetParent.getBoundingClientRect()
    const pieces = [...span.getClientRects()]
    const word = pieces.findLast((piece) => piece.width) ?? pieces[0] // after a line break: its space hangs at the end of the line before
    const left = Math.min(word.left - home.left, this.box.offsetLeft + this.box.clientWidth - this.dialog.offsetWidth)
    this.dialog.style.left = `${Math.max(left, this.box.offsetLeft)}px`
    this.dialog.style.top = `${word.bottom - home.top + 4}px`
    this.opened = n
    this.dialog.querySelector(".alternative:not(:disabled)")?.focus({ preventScroll: true })
    this.dialog.scrollIntoView({ block: "nearest" })
  }

  alternative(n, token, other) {
    const chosen = other.id === token.id
    const text = [make("code", {}, other.label), make("span", { className: "number" }, chosen ? `${percent(other.probability)} ✓` : percent(other.probability))]
    const row = make("button", { type: "button", className: "alternative", disabled: chosen, onclick: () => this.branch(n, other) }, ...text)
    row.style.setProperty("--p", other.probability)
    row.title = `id ${other.id}, bytes ${other.bytes || "none"}`
    return row
  }

  branch(n, other) {
    this.close()
    this.on.branch(n, other)
  }

  walk(event, n) {
    const rows = [...this.dialog.querySelectorAll(".alternative:not(:disabled)")]
    const at = rows.indexOf(document.activeElement)
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 }[event.key]
    if (event.key === "Escape") this.close(true)
    else if (to !== undefined) rows[(to + rows.length) % rows.length]?.focus()
    else return
    event.preventDefault()
    event.stopPropagation()
  }

  // Closes it when something else was clicked.
  leave(target) {
    if (!target.closest(".token, .alternatives") || !this.box.parentElement.contains(target)) this.close()
  }

  close(back = false) {
    if (!this.dialog) return
    this.dialog.remove()
    this.dialog = null
    this.span(this.opened)?.classList.remove("open")
    if (back) this.focus(this.opened)
  }
}
