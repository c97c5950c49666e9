// The cells of one attention head: what one of them says, in a line below the picture, by mouse, touch and arrow keys.

import { $ } from "./parts.js"

const MOVES = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }
let at = null // the cell that is told about

const all = () => [...$("drawn").querySelectorAll("rect")].filter((cell) => cell.querySelector("title"))
const middle = (cell) => ["x", "y"].map((side) => cell[side].baseVal.value + cell.width.baseVal.value / 2)

// Whether what is drawn has such cells.
export function offer(yes) {
  at = null
  $("cell").hidden = !yes
  $("cell").textContent = ""
}

export function build() {
  for (const kind of ["pointermove", "click"]) {
    $("drawn").addEventListener(kind, ({ clientX, clientY }) => {
      if ($("cell").hidden) return
      tell(document.elementsFromPoint(clientX, clientY).find((one) => one.matches("#drawn rect:has(> title)"))) // under its number
    })
  }
  $("drawn").addEventListener("keydown", walk)
}

function tell(cell) {
  if (!cell || cell === at) return
  at?.classList.remove("looked")
  at = cell
  cell.classList.add("looked")
  $("cell").textContent = cell.querySelector("title").textContent
}

function walk(event) {
  const move = MOVES[event.key]
  if ($("cell").hidden || !move || event.target !== $("drawn")) return
  event.preventDefault()
  if (!at) return tell(all()[0])
  const [x, y] = middle(at)
  const size = at.width.baseVal.value + 1 // as the picture puts them
  const near = (cell) => {
    const [left, top] = middle(cell)
    return Math.hypot(left - x - move[0] * size, top - y - move[1] * size) < size / 2
  }
  tell(all().find(near))
  at.scrollIntoView({ block: "nearest", inline: "nearest" })
}
