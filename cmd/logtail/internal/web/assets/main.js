// The page of logtail serve: filters, rows, a histogram and one record.

import { Detail } from "./detail.js";
import { Feed } from "./feed.js";
import { Histogram } from "./histogram.js";
import { List } from "./list.js";
import { el, hitsOf } from "./row.js";
import { enter } from "./session.js";
import { View } from "./state.js";

const $ = (id) => document.getElementById(id);
const first = 2000; // rows that a view begins with
const page = 2000; // rows that are asked for at a time

let view = new View(location.search);
let state = null; // what the server last said
let held = false; // the user has paused; scrolling down does not go on
let older = { busy: false, end: false };
const rates = []; // [time, records]

const list = new List($("rows"), {
  older: loadOlder,
  held: () => pause(false),
  resumed: () => held || resume(),
  chosen: (row) => {
    keep(row);
    detail.show(row);
  },
});

const feed = new Feed({
  rows(rows, bytes) {
    list.append(rows, bytes);
    for (const row of rows) if (row.k && row.k !== "remark" && row.k !== "connected") say(row.x);
    tell();
  },
  state(now) {
    state = now;
    rates.push([performance.now(), now.records]);
    while (rates.length > 2 && rates[0][0] < performance.now() - 5000) rates.shift();
    histogram.forget(now.oldest);
    tell();
  },
  restarted() {
    list.restarted();
    older.end = true;
    if (view.at) {
      view.at = 0;
      history.replaceState(null, "", view.url());
    }
  },
  problem(error) {
    if (error.status === 401) return boot();
    if (error.status === 400 && error.about?.problem) return wrong(error.about);
    $("live").className = "live off";
    const told = error.status === 503 && error.message.length < 60; // by logtail; a proxy says more
    $("live").textContent = told ? error.message : "logtail does not answer";
  },
  working: (is) => $("rows").setAttribute("aria-busy", is),
});

const histogram = new Histogram($("histogram"), $("brush"), $("tip"), (since, until) => {
  Object.assign(view, { since, until });
  go(true);
});

const detail = new Detail($("detail"), {
  record: (pos) => feed.record(pos),
  filter: (name, value) => {
    view.add(name, value);
    go(true);
  },
  context,
  close: unchoose,
  say,
});

function say(text) {
  $("said").textContent = text;
}

// go shows the view. push makes a step of it that the browser can go back.
function go(push) {
  view.at = 0;
  history[push ? "pushState" : "replaceState"](null, "", view.url());
  held = false;
  begin();
}

// begin asks for the rows of the view anew.
function begin() {
  fields();
  chips();
  wrong(null);
  list.clear();
  list.refresh(hitsOf(view.grep[0]));
  older = { busy: false, end: false };
  detail.close();
  list.following = true;
  if (view.at) return around(view.at);
  feed.start(view.filters(), { last: first });
  histogram.start(view);
  tell();
}

// around shows the rows around one, and pauses.
async function around(pos) {
  list.following = false;
  held = true;
  histogram.start(view);
  feed.run = view.run;
  const now = older; // of this view
  let got;
  try {
    got = await feed.around(view.filters(), pos, page);
  } catch {
    if (now === older) go(false); // pulling tells what is wrong
    return;
  }
  if (now !== older) return;
  if (view.run && got.state.run !== view.run) {
    say("that row is of a logtail that was here before");
    return go(false);
  }
  if (got.rows.length === 0) return go(false); // there is nothing around it
  list.append(got.rows, got.bytes);
  await loadOlder(true).catch(() => {}); // scrolling asks again
  if (now !== older) return;
  const i = list.index(pos);
  if (list.rows[i]) {
    list.reveal(i, true);
    list.choose(list.rows[i]);
  }
  feed.tells.state(got.state);
}

// pause stops pulling; the place is kept.
function pause(byUser) {
  if (byUser) held = true;
  list.following = false;
  feed.stop();
  tell();
}

// resume goes on from where it stopped.
function resume() {
  held = false;
  list.following = true;
  if (view.at) unchoose();
  if (!feed.pulling) feed.pull();
  list.schedule();
  tell();
}

async function loadOlder(force = false) {
  const oldest = list.rows[0];
  if (!oldest || oldest.p <= 0 || older.busy || older.end || (list.following && !force)) return;
  const now = older;
  now.busy = true;
  try {
    const got = await feed.before(oldest.p, page);
    if (now !== older) return;
    now.end = got.state.end;
    const gone = got.rows.length > 0 && list.prepend(got.rows, got.bytes);
    if (gone) feed.cursor = gone.p;
  } finally {
    now.busy = false;
  }
}

function context(row) {
  const pos = row.p;
  if (view.filtered && pos > 0) {
    view = new View();
    view.at = pos;
    view.run = feed.run;
    history.pushState(null, "", view.url());
    begin();
  } else {
    list.reveal(list.index(pos), true);
  }
}

// keep puts the chosen row into the URL.
function keep(row) {
  view.at = Math.max(0, row.p);
  view.run = feed.run;
  history.replaceState(null, "", view.url());
}

function unchoose() {
  view.at = 0;
  history.replaceState(null, "", view.url());
  list.chosen = null;
  list.schedule();
  detail.close();
  $("rows").focus({ preventScroll: true });
}

const number = (n) => n.toLocaleString("en").replaceAll(",", "\u202f");

// tell shows the state in words.
function tell() {
  const { rows } = list;
  const paused = !list.following;
  $("pause").textContent = paused ? "Go on" : "Pause";
  $("pause").setAttribute("aria-pressed", paused);
  $("count").textContent = `${number(rows.length)} ${view.filtered ? "shown" : rows.length === 1 ? "row" : "rows"}`;
  $("follow").hidden = !paused;
  $("empty").hidden = rows.length > 0;
  $("empty").textContent = view.filtered ? "Nothing here matches.\nWhat comes and does is shown." : "No record has come yet.";
  if (!state) return;
  const behind = Math.max(0, state.next - feed.cursor);
  $("follow").textContent = behind > 0 ? `↓ Go on · ${number(behind)} new` : "↓ Go on";
  $("held").textContent = `${number(state.next - state.first)} rows held · ${number(state.records)} records came`;
  $("missing").textContent = state.missing ? `⚠ ${number(state.missing)} missing in ${number(state.gaps)} ${state.gaps === 1 ? "gap" : "gaps"}` : "";
  $("live").className = `live ${state.live ? (paused ? "" : "on") : "off"}`;
  $("live").textContent = !state.live ? "not connected to the broker" : paused ? "paused" : "live";
  const [then, now] = [rates[0], rates.at(-1)];
  const rate = now[0] - then[0] > 500 ? ((now[1] - then[1]) / (now[0] - then[0])) * 1000 : 0;
  $("rate").textContent = `${number(rate < 10 ? Number(rate.toFixed(1)) : Math.round(rate))}/s`;
}

// watch asks for the state while nothing is pulled.
async function watch() {
  for (;;) {
    await new Promise((resume) => setTimeout(resume, 1000));
    if (feed.pulling || document.hidden || !state) continue;
    try {
      await feed.peek();
    } catch {
      // pulling will tell
    }
  }
}

// wrong shows a mistake in a filter at its place.
function wrong(about) {
  for (const field of document.querySelectorAll(".field")) field.classList.remove("wrong");
  $("problem").hidden = !about;
  if (!about) return;
  const mark = about.text ? `\n${about.text}\n${" ".repeat([...new TextDecoder().decode(new TextEncoder().encode(about.text).slice(0, about.offset))].length)}^` : "";
  $("problem").textContent = about.problem + mark;
  document.querySelector(`[name="${CSS.escape(about.flag)}"]`)?.closest(".field").classList.add("wrong");
}

function fields() {
  const form = $("filters").elements;
  const put = (input, value) => {
    if (input !== document.activeElement && input.value !== value) input.value = value;
  };
  put(form.grep, view.grep[0] ?? "");
  put(form.where, view.where[0] ?? "");
  form.where.closest(".field").classList.toggle("used", view.where.length > 0);
  for (const name of ["level", "since"]) {
    const known = [...form[name].options].some((o) => o.value === view[name]);
    if (!known && name === "level") form.level.append(new Option(view.level, view.level));
    form[name].value = known || name === "level" ? view[name] : "";
  }
  $("download").href = `/api/download?${view.filters()}`;
}

function chips() {
  const words = { grep: "or", exclude: "not", since: "from", until: "to" };
  $("chips").replaceChildren(
    ...[...view.chips()].map((chip) => {
      const e = el("span", "chip", `${words[chip.name] ?? chip.name} `);
      const remove = el("button", "", "✕");
      remove.type = "button";
      remove.setAttribute("aria-label", `remove ${chip.name} ${chip.value}`);
      remove.addEventListener("click", () => {
        view.remove(chip);
        go(true);
      });
      const time = chip.name === "since" || chip.name === "until";
      e.append(el("code", "", time ? new Date(chip.value).toLocaleString() : chip.value), remove);
      return e;
    }),
  );
}

// read takes the form into the view.
let typed;
function read(event) {
  clearTimeout(typed);
  typed = setTimeout(
    () => {
      const form = $("filters").elements;
      view.level = form.level.value;
      if (event.target === form.since) Object.assign(view, { since: form.since.value, until: "" });
      view.grep = [form.grep.value, ...view.grep.slice(1)].filter(Boolean);
      view.where = [form.where.value, ...view.where.slice(1)].filter(Boolean);
      go(false);
    },
    event.type === "input" && event.target.tagName === "INPUT" ? 350 : 0,
  );
}

const help = [
  ["↑ ↓, j k", "the record above, below"],
  ["Enter", "all of it"],
  ["Esc", "close it"],
  ["Space", "pause, go on"],
  ["g  G", "to the oldest here, to the newest"],
  ["/", "search"],
  ["e", "errors only, and back"],
  ["n  p", "next, previous warning or error"],
  ["x", "context: what came around it"],
  ["c", "copy as JSON"],
  ["d", "download what is filtered"],
  ["t", "light or dark"],
];

const acts = {
  ArrowDown: () => list.move(1),
  j: () => list.move(1),
  ArrowUp: () => list.move(-1),
  k: () => list.move(-1),
  PageDown: () => list.move(Math.floor(list.height / list.rowHeight) - 1),
  PageUp: () => list.move(1 - Math.floor(list.height / list.rowHeight)),
  Enter: () => list.chosen && detail.show(list.chosen),
  Escape: () => unchoose(),
  " ": () => (list.following ? pause(true) : resume()),
  g: () => list.move(-list.rows.length),
  End: () => resume(),
  G: () => resume(),
  "/": () => $("filters").elements.grep.focus(),
  e: () => {
    view.level = view.level === "error" ? "" : "error";
    go(true);
  },
  n: () => seek(1),
  p: () => seek(-1),
  x: () => list.chosen && context(list.chosen),
  c: () => detail.copy(),
  d: () => $("download").click(),
  t: () => $("theme").click(),
  "?": () => $("keys").click(),
};
acts.Home = acts.g;

// seek chooses the next warning, error or gap in a direction.
function seek(by) {
  const grave = (row) => (row.k ? row.k !== "remark" && row.k !== "connected" : row.l === "warn" || row.l === "error" || row.l === "fatal");
  const from = list.chosen ? list.index(list.chosen.p) : by > 0 ? -1 : list.rows.length;
  for (let i = from + by; i >= 0 && i < list.rows.length; i += by) {
    if (grave(list.rows[i])) return list.move(i - (list.chosen ? from : Math.floor((list.scroller.scrollTop + list.height / 2) / list.rowHeight)));
  }
  say(by > 0 ? "none below" : "none above");
}

function theme(dark) {
  document.documentElement.classList.toggle("dark", dark);
  histogram.draw();
}

function listen() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  theme((localStorage.theme ?? (dark.matches ? "dark" : "light")) === "dark");
  dark.addEventListener("change", () => localStorage.theme ?? theme(dark.matches));
  $("theme").addEventListener("click", () => {
    localStorage.theme = document.documentElement.classList.contains("dark") ? "light" : "dark";
    theme(localStorage.theme === "dark");
  });
  $("filters").addEventListener("input", read);
  $("filters").addEventListener("submit", (event) => {
    event.preventDefault();
    read(event);
    $("rows").focus();
  });
  $("pause").addEventListener("click", () => (list.following ? pause(true) : resume()));
  $("follow").addEventListener("click", resume);
  $("keys").addEventListener("click", () => {
    const keys = el("dl");
    for (const [key, what] of help) {
      const dt = el("dt");
      for (const k of key.split(/,? +/)) dt.append(el("kbd", "", k), " ");
      keys.append(dt, el("dd", "", what));
    }
    $("help").replaceChildren(el("h2", "", "Keys"), keys);
    $("help").showModal();
  });
  $("help").addEventListener("click", () => $("help").close());
  addEventListener("popstate", () => {
    view = new View(location.search);
    held = false;
    begin();
  });
  document.addEventListener("visibilitychange", () => {
    // A page that nobody sees leaves its connection to others.
    if (document.hidden) feed.stop();
    else if (list.following && !feed.pulling && feed.filters) feed.pull();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("login").open || $("help").open) return;
    const typing = event.target.closest("input, select, textarea");
    if (typing && event.key === "Escape") return $("rows").focus();
    if (typing || (event.target.closest("button, a") && (event.key === "Enter" || event.key === " "))) return;
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

async function boot() {
  const title = await enter($("login"));
  $("title").textContent = title;
  document.title = `${title} · logtail`;
  begin();
  $("rows").focus({ preventScroll: true });
}

listen();
boot();
watch();
