// Records over time, by level. A span is chosen by dragging.

import { get } from "./api.js";
import { clock } from "./row.js";

export const levels = ["trace", "debug", "info", "warn", "error", "fatal", "other"];
const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400].map((s) => s * 1000);
const barWidth = 7; // pixels, with the space between
const axis = 14;

export class Histogram {
  constructor(canvas, brush, tip, chosen) {
    Object.assign(this, { canvas, brush, tip, chosen });
    this.bars = new Map(); // counts by the second
    this.at = 0;
    new ResizeObserver(() => this.draw()).observe(canvas);
    canvas.parentElement.addEventListener("pointerdown", (event) => this.down(event));
    canvas.parentElement.addEventListener("pointermove", (event) => this.move(event));
    canvas.parentElement.addEventListener("pointerup", (event) => this.up(event));
    canvas.parentElement.addEventListener("pointercancel", () => this.cancel());
    canvas.parentElement.addEventListener("pointerleave", () => (this.tip.hidden = true));
  }

  // start counts anew, what filters ask for but for its span of time.
  async start(view) {
    this.abort?.abort();
    const abort = (this.abort = new AbortController());
    const filters = view.filters(["since", "until"]);
    this.view = view;
    this.bars = new Map();
    this.at = 0;
    this.run = "";
    while (!abort.signal.aborted) {
      let wait = 1500;
      try {
        if (!document.hidden && (await this.more(filters, abort.signal))) wait = 0;
      } catch (error) {
        if (abort.signal.aborted || error.status === 400 || error.status === 401) return;
        wait = 5000;
      }
      await new Promise((resume) => setTimeout(resume, wait));
    }
  }

  // more asks for what has come since. It returns whether there is more still.
  async more(filters, signal) {
    const p = new URLSearchParams(filters);
    p.set("from", this.at);
    p.set("width", 1000);
    if (this.run) p.set("run", this.run);
    const answer = await get("/api/histogram", p, signal);
    if (this.run && answer.run !== this.run) this.bars = new Map();
    this.run = answer.run;
    this.at = answer.at;
    for (const [start, ...counts] of answer.bars) {
      const sum = this.bars.get(start);
      if (sum) counts.forEach((n, i) => (sum[i] += n));
      else this.bars.set(start, counts);
    }
    this.draw();
    return !answer.end;
  }

  // forget drops what is older than what the server holds.
  forget(oldest) {
    if (oldest) for (const start of this.bars.keys()) if (start < oldest - 60_000) this.bars.delete(start);
  }

  // span returns the time that is shown: of nearly all records, so that a single
  // wrong clock does not make the rest a line.
  span() {
    const starts = [...this.bars.keys()].sort((a, b) => a - b);
    if (starts.length === 0) return [Date.now() - 60_000, Date.now()];
    const rare = Math.max(Math.floor(starts.length / 100), Math.min(3, Math.floor(starts.length / 4)));
    const [low, high] = [starts[rare], starts.at(-1 - rare)];
    const wide = Math.max(60_000, high - low);
    const first = starts[0] < low - wide ? low : starts[0];
    const last = (starts.at(-1) > high + wide ? high : starts.at(-1)) + 1000;
    return [Math.min(first, last - 60_000), last];
  }

  draw() {
    const ratio = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (width === 0) return;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    const g = this.canvas.getContext("2d");
    g.scale(ratio, ratio);
    const [from, to] = this.span();
    const most = Math.max(10, Math.floor(width / barWidth));
    this.step = steps.find((s) => (to - from) / s <= most) ?? 7 * 86_400_000 * Math.ceil((to - from) / most / 7 / 86_400_000);
    this.from = Math.floor(from / this.step) * this.step;
    this.to = this.from + Math.max(1, Math.ceil((to - this.from) / this.step)) * this.step;
    this.sums = this.summed();
    this.paint(g, width, height - axis);
    this.label(g, width, height);
    this.mark();
  }

  summed() {
    const sums = new Map();
    for (const [start, counts] of this.bars) {
      if (start < this.from || start >= this.to) continue;
      const at = Math.floor((start - this.from) / this.step);
      const sum = sums.get(at);
      if (sum) counts.forEach((n, i) => (sum[i] += n));
      else sums.set(at, [...counts]);
    }
    return sums;
  }

  paint(g, width, height) {
    const style = getComputedStyle(document.documentElement);
    const colours = levels.map((level) => style.getPropertyValue(`--bar-${level}`));
    const wide = width / ((this.to - this.from) / this.step);
    const most = Math.max(1, ...[...this.sums.values()].map((counts) => counts.reduce((a, b) => a + b)));
    const total = levels.map(() => 0);
    g.fillStyle = style.getPropertyValue("--line");
    g.fillRect(0, height, width, 1);
    for (const [at, counts] of this.sums) {
      let y = height;
      counts.forEach((n, i) => {
        total[i] += n;
        if (n === 0) return;
        const high = Math.max(1.5, (n / most) * (height - 3));
        g.fillStyle = colours[i];
        g.fillRect(at * wide + 0.5, y - high, Math.max(1, wide - 1.5), high);
        y -= high;
      });
    }
    const said = levels.map((level, i) => (total[i] ? `${total[i]} ${level}` : "")).filter(Boolean).join(", ");
    this.canvas.setAttribute("aria-label", `records from ${clock(this.from)} to ${clock(this.to)}: ${said || "none"}`);
  }

  label(g, width, height) {
    const style = getComputedStyle(document.documentElement);
    g.fillStyle = style.getPropertyValue("--faint");
    g.font = `10.5px ${style.getPropertyValue("--sans")}`;
    const count = Math.max(1, Math.floor(width / 170));
    for (let i = 0; i <= count; i++) {
      const ms = this.from + ((this.to - this.from) * i) / count;
      g.textAlign = i === 0 ? "left" : i === count ? "right" : "center";
      g.fillText(this.name(ms), (width * i) / count, height - 2);
    }
  }

  name(ms) {
    const time = clock(ms).slice(0, this.to - this.from > 600_000 ? 5 : 8);
    if (this.to - this.from < 20 * 3_600_000) return time;
    return `${new Date(ms).toLocaleDateString(undefined, { month: "short", day: "numeric" })} ${time}`;
  }

  // mark shows the span that is filtered by.
  mark() {
    if (this.dragged) return;
    const [since, until] = [this.view?.since, this.view?.until].map((text) => (text?.includes("T") ? Date.parse(text) : NaN));
    if (Number.isNaN(since) && Number.isNaN(until)) return void (this.brush.hidden = true);
    this.place(Number.isNaN(since) ? this.from : since, Number.isNaN(until) ? this.to : until);
  }

  place(since, until) {
    const width = this.canvas.clientWidth;
    const x = (ms) => Math.min(width, Math.max(0, ((ms - this.from) / (this.to - this.from)) * width));
    this.brush.style.left = `${x(since)}px`;
    this.brush.style.width = `${Math.max(2, x(until) - x(since))}px`;
    this.brush.hidden = false;
  }

  timeAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    return this.from + share * (this.to - this.from);
  }

  down(event) {
    if (event.button !== 0) return;
    this.canvas.parentElement.setPointerCapture(event.pointerId);
    this.dragged = { from: this.timeAt(event), x: event.clientX };
  }

  move(event) {
    if (!this.dragged) return this.point(event);
    const to = this.timeAt(event);
    this.place(Math.min(this.dragged.from, to), Math.max(this.dragged.from, to));
  }

  up(event) {
    const { from, x } = this.dragged ?? {};
    this.dragged = null;
    if (from === undefined) return;
    const to = this.timeAt(event);
    if (Math.abs(event.clientX - x) < 4) return this.mark();
    // Whole bars, as they are seen.
    const start = Math.floor((Math.min(from, to) - this.from) / this.step) * this.step + this.from;
    const end = Math.ceil((Math.max(from, to) - this.from) / this.step) * this.step + this.from;
    this.chosen(new Date(start).toISOString(), new Date(end).toISOString());
  }

  cancel() {
    this.dragged = null;
    this.mark();
  }

  // point tells of the bar under the pointer.
  point(event) {
    if (!this.sums) return;
    const at = Math.floor((this.timeAt(event) - this.from) / this.step);
    const counts = this.sums.get(at);
    this.tip.hidden = !counts;
    if (!counts) return;
    const parts = counts.map((n, i) => (n ? `${n.toLocaleString()} ${levels[i]}` : "")).filter(Boolean);
    this.tip.textContent = `${this.name(this.from + at * this.step)} · ${parts.join(" · ")}`;
    this.tip.style.left = `${Math.min(this.canvas.clientWidth - 120, Math.max(120, event.offsetX))}px`;
  }
}
