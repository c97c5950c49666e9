// A picture of the server's, as SVG, and the numbers behind it as a table.

import { $, make } from "./parts.js"

// Puts it into the view; `least` is how wide it must be to be read: where there is less room it scrolls.
export function drawn({ svg, table }, least) {
  const picture = document.importNode(new DOMParser().parseFromString(svg, "image/svg+xml").documentElement, true)
  if (least) picture.style.minWidth = `${least * picture.viewBox.baseVal.width}px`
  const [names, rows] = table
  const top = make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name)))
  const body = rows.map((row) => make("tr", {}, ...row.map((cell) => make("td", {}, cell))))
  const numbers = make("details", {}, make("summary", {}, "The numbers"), make("table", { className: "numbers" }, top, ...body))
  $("drawn").replaceChildren(picture, numbers)
}
