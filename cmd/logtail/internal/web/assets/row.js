// How a row looks. Texts become text nodes and nothing else.

const names = { trace: "TRACE", debug: "DEBUG", info: "INFO", warn: "WARN", error: "ERROR", fatal: "FATAL" };

export function el(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

const two = (n) => String(n).padStart(2, "0");

export function clock(ms) {
  if (ms === undefined) return "";
  const t = new Date(ms);
  return `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}.${String(t.getMilliseconds()).padStart(3, "0")}`;
}

export function moment(ms) {
  if (ms === undefined) return "no time";
  const t = new Date(ms);
  const zone = -t.getTimezoneOffset();
  const offset = `${zone < 0 ? "-" : "+"}${two(Math.floor(Math.abs(zone) / 60))}:${two(Math.abs(zone) % 60)}`;
  return `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())} ${clock(ms)} ${offset}`;
}

// apps have colours in the order in which they are seen: no two of the first eight
// have the same.
const apps = new Map();

export function appClass(app) {
  if (!apps.has(app)) apps.set(app, `app app${apps.size % 8}`);
  return apps.get(app);
}

// append adds a text, with what was searched for marked.
export function append(to, text, hits) {
  if (!hits) return to.append(text);
  const where = hits.fold ? text.toLowerCase() : text;
  let at = 0;
  for (let i; (i = where.indexOf(hits.text, at)) >= 0; at = i + hits.text.length) {
    to.append(text.slice(at, i), el("mark", "", text.slice(i, i + hits.text.length)));
  }
  to.append(text.slice(at));
}

// hitsOf returns what to mark for a search, if it is a text: another engine's
// regular expressions are not to be trusted with a pattern.
export function hitsOf(grep) {
  if (!grep || /[\\^$.|?*+()[\]{}]/.test(grep)) return null;
  return { text: grep, fold: grep === grep.toLowerCase() };
}

const shownAttrs = 14; // more are in the record itself

export function fill(row, e, hits) {
  e.replaceChildren();
  e.append(cell("time", clock(row.t)));
  if (row.k) {
    e.className = `row notice ${row.k}`;
    e.append(cell("rest", row.x));
    return;
  }
  e.className = `row ${row.l || "other"}`;
  const name = cell("name", names[row.l] ?? (row.v ? row.v.slice(0, 5) : "–"));
  if (row.v) name.title = row.v;
  const app = cell(appClass(row.i ?? ""), row.i ?? "");
  if (row.h) app.title = `${row.i ?? ""} on ${row.h}`;
  const rest = cell("rest");
  const message = el("span", "message");
  const [first, ...more] = row.m.split("\n");
  append(message, first || (more.length ? "" : "(no message)"), hits);
  rest.append(message);
  for (let i = 0; i < row.y.length && i < shownAttrs; i++) {
    const attr = el("span", "attr");
    const key = el("b");
    append(key, row.a[2 * i], hits);
    const value = el("span", row.y[i]);
    append(value, row.a[2 * i + 1].replaceAll("\n", "⏎"), hits);
    attr.append(key, value);
    rest.append(attr);
  }
  const hidden = (row.s ?? 0) + more.length;
  if (hidden > 0) rest.append(el("span", "more", `+${hidden} ${hidden === 1 ? "line" : "lines"}`));
  else if (row.c || row.y.length > shownAttrs) rest.append(el("span", "more", "more"));
  e.append(name, app, rest);
}

function cell(className, text) {
  const e = el("span", className, text);
  e.setAttribute("role", "gridcell");
  return e;
}
