// Small parts that all of the page uses.

export const $ = (id) => document.getElementById(id)

// An element with properties and children; a text is a text, never HTML.
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("aria-") || name === "role") element.setAttribute(name, value)
    else element[name] = value
  }
  element.append(...children)
  return element
}

// A probability as people read it, as the pictures write it.
export const percent = (p) => (p >= 0.0005 ? `${(100 * p).toFixed(1)} %` : p > 0 ? "<0.1 %" : "0 %")

export const count = (tokens) => `${tokens.toLocaleString("en")} ${tokens === 1 ? "token" : "tokens"}`

export const bits = (x) => `${x.toFixed(1)} bits`

// Tells the element around a box that scrolls sideways whether there is more to its right; it gets a shade there.
export function shade(box) {
  const tell = () => box.parentElement.classList.toggle("more", box.scrollLeft + box.clientWidth < box.scrollWidth - 1)
  box.addEventListener("scroll", tell)
  new ResizeObserver(tell).observe(box)
  new MutationObserver(() => requestAnimationFrame(tell)).observe(box, { childList: true, subtree: true }) // when it is laid out anyway
}
