// A picture of the server's, as SVG, and the numbers behind it as a table.

import { $, make } from "./parts.js"

const LEAST = 10.5 // pixels that the smallest letters need to be read: a picture that finds less room scrolls

export function drawn({ svg, table }) {
  const picture = document.importNode(new DOMParser().parseFromString(svg, "image/svg+xml").documentElement, true)
  const sizes = [...picture.querySelectorAll("text")].map((text) => text.getAttribute("font-size"))
  picture.style.minWidth = `${(picture.viewBox.baseVal.width * LEAST) / Math.min(...sizes)}px`
  const [names, rows] = table
  const top = make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name)))
  const body = rows.map((row) => make("tr", {}, ...row.map((cell) => make("td", {}, cell))))
  const numbers = make("details", {}, make("summary", {}, "The numbers"), make("table", { className: "numbers" }, top, ...body))
  $("drawn").replaceChildren(picture, numbers)
}
