// What the page asks of the server. All addresses are relative: a proxy may put the page anywhere.

const token = new URLSearchParams(location.search).get("token")
const headers = { "Content-Type": "application/json", ...(token ? { Authorization: `Bearer ${token}` } : {}) }

// The answer to a question; an Error with the server's own line where it refuses.
export async function ask(path, body, signal) {
  const how = body === undefined ? { headers, signal } : { method: "POST", headers, signal, body: JSON.stringify(body) }
  let answer
  try {
    answer = await fetch(path, how)
  } catch (error) {
    if (error.name === "AbortError") throw error
    throw new Error("the playground does not answer: is minigpt play still running?")
  }
  if (answer.ok) return answer
  const text = await answer.text()
  let reason = text
  try {
    reason = JSON.parse(text).error
  } catch {} // not JSON: what a middleware or a proxy says, as it is
  throw new Error(reason || `the server answered ${answer.status}`)
}

// The events of a text as they come.
export async function* events(path, body, signal) {
  const answer = await ask(path, body, signal)
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ""
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const parts = (rest + value).split("\n\n")
    rest = parts.pop()
    for (const part of parts) yield JSON.parse(part.slice("data: ".length))
  }
}
