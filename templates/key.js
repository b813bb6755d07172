const element = (id) => document.getElementById(id);
const { renewIn, texts: catalogue } = element("live").dataset;
const [texts, reasons] = JSON.parse(catalogue);
const around = (parts, ...values) => parts.flatMap((part, index) => [part, values[index] ?? ""]).join("");
const say = (id, text) => {
  const target = element(id);
  if (target.textContent !== text) target.textContent = text;
  target.hidden = text === "";
};
const seconds = (milliseconds) => Math.max(0, Math.ceil(milliseconds / 1000));

// A page restored by the back button would show the key after a logout.
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

// Without this script a long text is not folded.
for (const button of document.querySelectorAll("[data-fold]")) {
  const text = element(button.getAttribute("aria-controls"));
  const fold = (folded) => {
    text.classList.toggle("folded", folded);
    button.setAttribute("aria-expanded", String(!folded));
    button.firstElementChild.textContent = folded ? texts.showAll : texts.showLess;
  };
  button.addEventListener("click", () => fold(!text.classList.contains("folded")));
  fold(true);
  new ResizeObserver(() => {
    if (text.classList.contains("folded")) button.hidden = text.scrollHeight <= text.clientHeight;
  }).observe(text);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const label = button.textContent;
  let reset;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const copied = await copy(element(button.dataset.copy));
    button.textContent = copied ? texts.copied : texts.selected;
    element("copied").textContent = copied ? button.dataset.done : texts.selectedHow;
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
    // The clipboard is unavailable or not allowed: select the text and try the old command.
    getSelection().selectAllChildren(source);
    try { return document.execCommand("copy"); } catch { return false; }
  }
}

// Counts down from the server's remaining seconds. The visitor's clock may be wrong, but its pace is
// right.
let counted = Date.now();
function countDown() {
  const target = element("time-left");
  if (!target) return;
  const left = seconds(target.dataset.seconds * 1000 - (Date.now() - counted));
  target.textContent = left > 0 ? around(texts.left, duration(left)) : texts.expired;
  target.parentElement.classList.toggle("over", left === 0);
}

function duration(left) {
  const [days, hours, minutes] = [Math.floor(left / 86400), Math.floor(left / 3600) % 24, Math.floor(left / 60) % 60];
  if (days > 0) return `${days} d ${hours} h ${minutes} min`;
  if (hours > 0) return `${hours} h ${minutes} min ${left % 60} s`;
  if (minutes > 0) return `${minutes} min ${left % 60} s`;
  return `${left} s`;
}

let token = element("token")?.textContent;
const own = token ? texts.key : texts.session;
const pause = 1000;
const longest = 30000;
let answers = 0, failures = 0, asked = 0, due = 0, timer = 0, asking = false, reachable = true, stopped = false, last = "", former = "";

// A page that is not used polls ten times less often.
const patience = 60000;
let lastSign = Date.now();
const isLeftAlone = () => Date.now() - lastSign > patience;
function noticeSign() {
  const wasLeftAlone = isLeftAlone();
  lastSign = Date.now();
  if (!wasLeftAlone || failures) return;
  due = asked + pause;
  resume();
}
for (const event of ["pointermove", "pointerdown", "keydown", "wheel", "scroll", "touchstart", "focus"]) {
  addEventListener(event, noticeSign, { capture: true, passive: true });
}

// While the user logs out, the page does not report that the session has ended.
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
  if (Date.now() >= renewAt) await renew();
  if (stopped) return;
  asked = Date.now();
  let verdict;
  try {
    const response = await fetch("/protected", {
      cache: "no-store",
      credentials: token ? "omit" : "same-origin",
      headers: {
        Accept: "application/json",
        "X-Session-Poll": "1",
        ...(token && { Authorization: `Bearer ${token}` }),
      },
      redirect: "error",
      signal: AbortSignal.any([leaving.signal, AbortSignal.timeout(10000)]),
    });
    const text = await response.text();
    answers += 1;
    reachable = true;
    last = around(texts.answer, answers, new Date().toLocaleTimeString(), Date.now() - asked);
    say("http-status", `HTTP ${response.status}`);
    if (`${response.status} ${text}` !== former) lastSign = Date.now();
    former = `${response.status} ${text}`;
    const answer = show(text);
    verdict = judge(response, answer);
    if (response.ok) renewedInstead = false;
    else if (verdict.stop && (renewAt < Infinity || answer.code === "refresh_required")) verdict = await renewInstead(verdict);
  } catch {
    if (leaving.signal.aborted) return;
    reachable = false;
    say("http-status", texts.noAnswer);
    verdict = { state: "wait", words: texts.unreachable, why: texts.unreachableWhy, retry: 0 };
  }
  asking = false;
  settle(verdict);
}

// When to renew the token: shortly before it expires, or never if the session cannot be refreshed.
let renewAt = renewIn === undefined ? Infinity : counted + renewIn * 1000;
let refusals = 0, renewedInstead = false;

// Returns "renewed", "later", or "never".
async function renew() {
  let wait = 0;
  try {
    const response = await fetch("/refresh", {
      method: "POST",
      cache: "no-store",
      headers: { Accept: "application/json" },
      redirect: "error",
      signal: AbortSignal.any([leaving.signal, AbortSignal.timeout(25000)]),
    });
    const answer = await response.json();
    if (response.ok) {
      adopt(answer);
      return "renewed";
    }
    if (response.status < 500 && response.status !== 429) {
      renewAt = Infinity;
      if (response.status === 401) {
        settle({ state: "bad", words: texts.sessionLost, why: texts.notRenewed, stop: true });
      } else {
        say("renewal", own.cannotBeRenewed);
      }
      return "never";
    }
    wait = retryAfter(response.headers.get("Retry-After"));
  } catch { /* no response, or an unreadable one */ }
  refusals += 1;
  renewAt = Date.now() + Math.max(wait, Math.min(pause * 2 ** refusals, longest));
  say("renewal", own.notRenewedNow);
  return "later";
}

// The credential was refused: the token may have been replaced in another tab, or have expired while
// this tab was suspended. A refusal right after a renewal does not start another renewal.
async function renewInstead(refused) {
  if (renewedInstead) return refused;
  switch (await renew()) {
    case "renewed":
      renewedInstead = true;
      return { state: "wait", words: own.renewed, why: "" };
    case "later": return { state: "wait", words: own.ended, why: texts.notRenewedNow, retry: renewAt - Date.now() };
    default: return refused;
  }
}

function adopt({ api_key: next, expires_at: expiresAt, expires_in: expiresIn, renew_in: renewsIn, session_ends_at: endsAt }) {
  refusals = 0;
  renewAt = renewsIn === null ? Infinity : Date.now() + Math.max(renewsIn * 1000, pause);
  say("renewal", around(texts.renewedAt, new Date().toLocaleTimeString()));
  tellTime("#session-end time", endsAt);
  // The page polls with a key that the answer no longer offers: it became too long for a header.
  if (token && next === undefined) return location.reload();
  if (next === undefined || next === token) return;
  token = next;
  const parts = next.split(".");
  element("token").replaceChildren(...parts.flatMap((part, index) => {
    const span = document.createElement("span");
    span.className = `part-${index + 1}`;
    span.textContent = part;
    return index > 0 ? [".", span] : [span];
  }));
  element("curl").querySelector(".quiet").textContent = next;
  element("token-header").textContent = readable(parts[0]);
  element("token-claims").textContent = readable(parts[1]);
  counted = Date.now();
  element("time-left").dataset.seconds = expiresIn;
  tellTime("#key time", expiresAt);
  countDown();
}

function tellTime(selector, moment) {
  const target = document.querySelector(selector);
  const text = new Date(moment * 1000).toISOString();
  target.dateTime = `${text.slice(0, 19)}Z`;
  target.textContent = `${text.slice(0, 10)} ${text.slice(11, 19)} UTC`;
}

function readable(part) {
  const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (byte) => byte.charCodeAt(0));
  return JSON.stringify(JSON.parse(new TextDecoder().decode(bytes)), null, 2);
}

function show(text) {
  let answer = {};
  try {
    answer = JSON.parse(text);
    text = JSON.stringify(answer, null, 2);
  } catch { /* not JSON: shown unchanged */ }
  say("answer", text.slice(0, 20000));
  return answer ?? {};
}

// The meaning of a response: `stop` is final, `retry` (in milliseconds) is a temporary failure.
function judge(response, { code, description }) {
  const { status } = response;
  // The API describes in English. A reason of our own is in the catalogue.
  const reason = reasons[code] ?? String(description ?? "");
  const stepUp = element("step-up");
  if (stepUp) stepUp.hidden = !["insufficient_user_authentication", "insufficient_scope"].includes(code);
  if (response.ok) return { state: "good", words: texts.loggedIn, why: own.accepted };
  if (code === "insufficient_user_authentication") return { state: "bad", words: texts.loggedInOtherwise, why: reason };
  if (status === 401) {
    const words = {
      session_ended: own.sessionEnded,
      token_expired: texts.tokenExpired,
      refresh_required: texts.sessionExpired,
    }[code];
    const why = {
      session_ended: own.sessionEndedWhy,
      token_expired: texts.tokenExpiredWhy,
      refresh_required: texts.notRenewed,
    }[code];
    return { state: "bad", words: words ?? texts.loggedOut, why: why ?? (reason || own.notAccepted), stop: true };
  }
  if (status === 403) return { state: "bad", words: texts.notAllowed, why: reason };
  const retry = retryAfter(response.headers.get("Retry-After"));
  if (status === 429) return { state: "wait", words: texts.pause, why: texts.pauseWhy, retry };
  if (status >= 500) return { state: "wait", words: texts.problem, why: texts.problemWhy, retry };
  return { state: "bad", words: texts.unexpected, why: reason || texts.keepsTrying, retry };
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
  if (stop) forget();
  failures = retry === undefined ? 0 : failures + 1;
  due = failures
    ? Date.now() + Math.max(retry, Math.min(pause * 2 ** (failures - 1), longest))
    : asked + (isLeftAlone() ? 10 * pause : pause);
  resume();
}

// The session's data must not stay on the screen of a shared computer.
function forget() {
  stopped = true;
  token = undefined;
  former = "";
  for (const shown of document.querySelectorAll("[data-of-session]")) shown.remove();
  element("again").hidden = false;
  const heading = document.querySelector("h1");
  document.title = document.title.replace(heading.textContent, () => texts.loggedOut);
  heading.textContent = texts.loggedOut;
}

function tellPace() {
  let next = "";
  if (stopped) next = texts.stopped;
  else if (document.hidden) next = texts.pausedTab;
  else if (failures && !asking) next = around(texts.nextTry, seconds(due - Date.now()));
  else if (isLeftAlone()) next = texts.away;
  say("pace", `${last} ${next}`.trim());
}

function resume() {
  clearTimeout(timer);
  if (!stopped && !document.hidden && !asking) timer = setTimeout(ask, Math.max(0, due - Date.now()));
  tellPace();
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) noticeSign();
  resume();
});
addEventListener("online", () => { if (!reachable) ask(); });
setInterval(() => { countDown(); tellPace(); }, 1000);
countDown();
say("verdict", document.hidden ? texts.paused : texts.asking);
ask();
