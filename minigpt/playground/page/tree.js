// Where the tree of texts scrolls in itself: the text that is shown stays in sight.

import { $ } from "./parts.js"

export function follow() {
  new MutationObserver(show).observe($("branches"), { childList: true })
}

function show() {
  const tree = $("tree")
  const item = tree.querySelector("[aria-current]")
  if (!item || tree.scrollHeight <= tree.clientHeight) return
  const [box, seen] = [item.getBoundingClientRect(), tree.getBoundingClientRect()]
  tree.scrollTop += Math.max(0, box.bottom - seen.bottom) + Math.min(0, box.top - seen.top - tree.firstElementChild.offsetHeight) // under the heading, which stays
}
