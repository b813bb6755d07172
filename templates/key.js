const element = (id) => document.getElementById(id);
const say = (id, text) => {
  const target = element(id);
  if (target.textContent !== text) target.textContent = text;
  target.hidden = text === "";
};
const seconds = (milliseconds) => Math.max(0, Math.ceil(milliseconds / 1000));

// A page kept for the back button would show a key after logging out.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

const picture = element("picture");
if (picture) {
  const settle = () => {
    if (picture.naturalWidth > 0) element("initials").hidden = true;
    else picture.remove();
  };
  if (picture.complete) settle();
  else for (const event of ["load", "error"]) picture.addEventListener(event, settle);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const label = button.textContent;
  let reset;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const copied = await copy(element(button.dataset.copy));
    button.textContent = copied ? "Copied" : "Selected";
    element("copied").textContent = copied ? button.dataset.done : "Selected. Press Ctrl+C or ⌘C to copy.";
    clearTimeout(reset);
    reset = setTimeout(() => {
      button.textContent = label;
      element("copied").textContent = "";
    }, 2000);
  });
}

async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    // No clipboard outside a secure context, or not allowed: select, and try the old command.
    getSelection().selectAllChildren(source);
    try { return document.execCommand("copy"); } catch { return false; }
  }
}

// Counts from the server's remaining seconds: the visitor's clock may be wrong, its pace is not.
const opened = Date.now();
function countDown() {
  const target = element("time-left");
  if (!target) return;
  const left = seconds(target.dataset.seconds * 1000 - (Date.now() - opened));
  target.textContent = left > 0 ? `${duration(left)} left` : "Expired";
  target.parentElement.classList.toggle("over", left === 0);
}

function duration(left) {
  const [days, hours, minutes] = [Math.floor(left / 86400), Math.floor(left / 3600) % 24, Math.floor(left / 60) % 60];
  if (days > 0) return `${days} d ${hours} h ${minutes} min`;
  if (hours > 0) return `${hours} h ${minutes} min ${left % 60} s`;
  if (minutes > 0) return `${minutes} min ${left % 60} s`;
  return `${left} s`;
}

const token = element("token")?.textContent;
const what = token ? "key" : "session";
const pause = 1000;
const longest = 30000;
let answers = 0, failures = 0, asked = 0, due = 0, timer = 0, asking = false, reachable = true, stopped = false, last = "";

// Whoever is logging out need not be told on the way that the session has ended.
const leaving = new AbortController();
for (const form of document.forms) {
  form.addEventListener("submit", () => {
    stopped = true;
    leaving.abort();
  });
}

async function ask() {
  clearTimeout(timer);
  if (asking || stopped || document.hidden) return;
  asking = true;
  asked = Date.now();
  let verdict;
  try {
    const response = await fetch("/protected", {
      cache: "no-store",
      credentials: token ? "omit" : "same-origin",
      headers: token ? { Accept: "application/json", Authorization: `Bearer ${token}` } : { Accept: "application/json" },
      redirect: "error",
      signal: AbortSignal.any([leaving.signal, AbortSignal.timeout(10000)]),
    });
    const text = await response.text();
    answers += 1;
    reachable = true;
    last = `Answer ${answers} came at ${new Date().toLocaleTimeString()} after ${Date.now() - asked} ms.`;
    say("http-status", `HTTP ${response.status}`);
    verdict = judge(response, show(text));
  } catch {
    if (leaving.signal.aborted) return;
    reachable = false;
    say("http-status", "No answer");
    verdict = { state: "wait", words: "The API cannot be reached", why: "You may be offline. This page keeps trying by itself.", retry: 0 };
  }
  asking = false;
  settle(verdict);
}

function show(text) {
  let answer = {};
  try {
    answer = JSON.parse(text);
    text = JSON.stringify(answer, null, 2);
  } catch { /* not JSON: shown as it came */ }
  say("answer", text.slice(0, 20000));
  return answer ?? {};
}

// What an answer means: `stop` is for good, `retry` (in milliseconds) is trouble that may pass.
function judge(response, { code, description }) {
  const { status } = response;
  if (response.ok) return { state: "good", words: "You are logged in", why: `The API accepts your ${what}.` };
  if (status === 401) {
    const words = {
      session_ended: token ? "Good token, bad session: you are logged out" : "Session ended: you are logged out",
      token_expired: "Token expired: you are logged out",
    }[code];
    const why = {
      session_ended: token
        ? "The signature still holds, but the session behind the token has ended. It opens nothing any more."
        : "The session was ended, here or elsewhere.",
      token_expired: "Its time is over. Logging in again gives you a new one.",
    }[code];
    return { state: "bad", words: words ?? "You are logged out", why: why ?? String(description ?? `The API does not accept your ${what}.`), stop: true };
  }
  if (status === 403) return { state: "bad", words: "You are logged in, but not allowed to do this", why: String(description ?? "") };
  const retry = retryAfter(response.headers.get("Retry-After"));
  if (status === 429) return { state: "wait", words: "The API asks for a pause", why: "Too many requests. This page keeps trying by itself.", retry };
  if (status >= 500) return { state: "wait", words: "The API has a problem", why: "It is not you. This page keeps trying by itself.", retry };
  return { state: "bad", words: "Unexpected answer", why: String(description ?? "This page keeps trying by itself."), retry };
}

function retryAfter(value) {
  if (!value) return 0;
  const wait = /^\d+$/.test(value) ? value * 1000 : Date.parse(value) - Date.now();
  return Math.min(Math.max(wait || 0, 0), 3600000);
}

function settle({ state, words, why, retry, stop }) {
  element("live").dataset.state = state;
  say("verdict", words);
  say("explanation", why);
  if (stop) {
    stopped = true;
    element("again").hidden = false;
    element("session-end").hidden = true;
    document.title = "Logged out";
  }
  failures = retry === undefined ? 0 : failures + 1;
  due = failures
    ? Date.now() + Math.max(retry, Math.min(pause * 2 ** (failures - 1), longest))
    : asked + pause;
  resume();
}

function tellPace() {
  let next = "";
  if (stopped) next = "Stopped asking.";
  else if (document.hidden) next = "Paused while this tab is hidden.";
  else if (failures && !asking) next = `Next try in ${seconds(due - Date.now())} s.`;
  say("pace", `${last} ${next}`.trim());
}

function resume() {
  clearTimeout(timer);
  if (!stopped && !document.hidden && !asking) timer = setTimeout(ask, Math.max(0, due - Date.now()));
  tellPace();
}

document.addEventListener("visibilitychange", resume);
addEventListener("online", () => { if (!reachable) ask(); });
setInterval(() => { countDown(); tellPace(); }, 1000);
countDown();
say("verdict", document.hidden ? "Paused while this tab is hidden" : "Asking the API…");
ask();
