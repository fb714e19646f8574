// One record, whole.

import { appClass, el, moment } from "./row.js";

export class Detail {
  // asks: record(pos), filter(name, value), context(row), close(), say(text)
  constructor(panel, asks) {
    this.panel = panel;
    this.asks = asks;
  }

  get open() {
    return !this.panel.hidden;
  }

  close() {
    this.panel.hidden = true;
    this.row = null;
  }

  async show(row) {
    this.row = row;
    this.record = null;
    this.panel.hidden = false;
    const body = el("div", "body");
    this.panel.replaceChildren(this.tools(row), body);
    if (row.k) {
      body.append(el("p", "what", row.x), el("p", "about", moment(row.t)));
      return;
    }
    body.append(el("p", "what", row.m || "(no message)"), this.about(row));
    if (row.a.length > 0) body.append(el("h2", "", "Attributes"), this.attributes(row));
    if (row.p < 0) {
      body.append(el("p", "about", "This is what the page has of it: logtail was started again since."));
      return;
    }
    try {
      const record = await this.asks.record(row.p);
      if (this.row === row) this.rest(body, record);
    } catch (error) {
      if (this.row === row) body.append(el("p", "about", `All of it can't be shown: ${error.message}`));
    }
  }

  rest(body, record) {
    this.record = record;
    body.querySelector(".what").textContent = record.message || "(no message)";
    if (record.stack) {
      const stack = el("pre", "stack", record.stack);
      stack.tabIndex = 0;
      body.append(el("h2", "", "Stack"), stack);
    }
    const json = el("pre", "json");
    pretty(json, record.line);
    body.append(el("h2", "", "JSON"), json);
  }

  tools(row) {
    const tools = el("div", "tools");
    const add = (text, title, act) => {
      const b = el("button", "", text);
      b.title = title;
      b.addEventListener("click", act);
      tools.append(b);
      return b;
    };
    this.copier = row.k ? null : add("Copy", "copy the record as JSON (c)", () => this.copy());
    add("Context", "what came around it, without filters (x)", () => this.asks.context(row));
    tools.append(el("span", "space"));
    add("Close", "close (Esc)", () => this.asks.close());
    return tools;
  }

  about(row) {
    const about = el("p", "about");
    about.append(moment(row.t), " · ", row.v || row.l || "no level");
    if (row.i) about.append(" · ", el("span", appClass(row.i), row.i));
    if (row.h) about.append(" on ", row.h);
    return about;
  }

  attributes(row) {
    const table = el("table");
    for (let i = 0; i < row.y.length; i++) {
      const [key, value] = [row.a[2 * i], row.a[2 * i + 1]];
      const tr = el("tr");
      const th = el("th", "", key);
      th.scope = "row";
      const acts = el("td", "acts");
      acts.append(this.act("=", `only ${key} = ${value}`, key, "=", value, row.y[i]), this.act("≠", `not ${key} = ${value}`, key, "!=", value, row.y[i]));
      tr.append(th, el("td", row.y[i], value), acts);
      table.append(tr);
    }
    return table;
  }

  act(text, title, key, op, value, kind) {
    const b = el("button", "quiet", text);
    b.title = title;
    b.setAttribute("aria-label", title);
    b.addEventListener("click", () => this.asks.filter("field", `${JSON.stringify(key)} ${op} ${kind === "n" ? value : JSON.stringify(value)}`));
    return b;
  }

  async copy() {
    if (!this.row || this.row.k) return;
    if (!this.record && this.row.p < 0) return this.asks.say("it is gone: logtail was started again");
    const record = this.record ?? (await this.asks.record(this.row.p));
    await copyText(record.line);
    this.copier.textContent = "Copied";
    this.asks.say("copied");
  }
}

// copyText puts text on the clipboard, also where the browser does not let pages
// have it.
async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).catch(() => copySelection(text));
  copySelection(text);
}

function copySelection(text) {
  const area = el("textarea", "unseen");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

// pretty writes JSON with a line a member, without reading its numbers: they
// are shown as the record has them.
function pretty(to, json) {
  const tokens = json.match(token) ?? [];
  let depth = 0;
  const newline = () => to.append("\n" + "  ".repeat(Math.min(depth, 40)));
  tokens.forEach((t, i) => {
    const next = tokens[i + 1];
    if (t === "{" || t === "[") {
      depth++;
      to.append(t);
      if (next !== "}" && next !== "]") newline();
    } else if (t === "}" || t === "]") {
      depth--;
      if (tokens[i - 1] !== "{" && tokens[i - 1] !== "[") newline();
      to.append(t);
    } else if (t === ",") {
      to.append(t);
      newline();
    } else if (t === ":") {
      to.append(": ");
    } else {
      to.append(el("span", next === ":" ? "k" : t[0] === '"' ? "s" : /^[-\d]/.test(t) ? "n" : "b", t));
    }
  });
}
