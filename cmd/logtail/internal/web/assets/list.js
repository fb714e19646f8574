// The rows of the page, of which only those that can be seen are elements.

import { el, fill } from "./row.js";

const maxRows = 100_000;
const maxBytes = 96 << 20; // of their lines
const slack = 2_000; // so many are forgotten at a time
const overscan = 8;

export class List {
  // asks: older(), resumed(), held(), chosen(row)
  constructor(scroller, asks) {
    this.scroller = scroller;
    this.asks = asks;
    this.sizer = el("div", "sizer");
    scroller.append(this.sizer);
    this.narrow = matchMedia("(max-width: 720px)");
    this.narrow.addEventListener("change", () => this.measure());
    scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    scroller.addEventListener("click", (event) => this.clicked(event));
    new ResizeObserver(() => this.measure()).observe(scroller);
    this.pool = [];
    this.following = true;
    this.hits = null;
    this.clear();
    this.measure();
  }

  clear() {
    this.rows = [];
    this.bytes = 0;
    this.base = 0; // the number of the first row, of all that there have been
    this.chosen = null;
    this.version = (this.version ?? 0) + 1; // of how rows are shown
    this.scheduled ?? this.schedule();
  }

  // restarted says that the positions of all rows are another's from now on. They
  // keep their order, and are asked for no more.
  restarted() {
    this.rows.forEach((row, i) => (row.p = i - this.rows.length));
    this.version++;
    this.schedule();
  }

  measure() {
    const kept = this.rowHeight ? this.scroller.scrollTop / this.rowHeight : 0;
    this.rowHeight = parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row"));
    this.height = this.scroller.clientHeight;
    this.resize();
    this.to(this.following ? this.rows.length * this.rowHeight : kept * this.rowHeight);
    this.schedule();
  }

  // append adds rows with the sizes of their lines at the end.
  append(rows, bytes) {
    for (const row of rows) this.rows.push(row);
    this.bytes += bytes;
    const over = this.rows.length - maxRows;
    if (over > slack || this.bytes > maxBytes) this.forget(Math.max(over, this.bytes > maxBytes ? Math.ceil(this.rows.length / 20) : 0));
    this.schedule();
  }

  forget(n) {
    const bytes = (this.bytes / this.rows.length) * n;
    this.rows.splice(0, n);
    this.bytes -= bytes;
    this.base += n;
    if (!this.following) this.to(this.scroller.scrollTop - n * this.rowHeight);
  }

  // prepend adds rows at the beginning, and what is seen stays where it is. It
  // returns the first of those that had to go at the end.
  prepend(rows, bytes) {
    this.rows = rows.concat(this.rows);
    this.bytes += bytes;
    this.base -= rows.length;
    this.resize();
    this.to(this.scroller.scrollTop + rows.length * this.rowHeight);
    this.schedule();
    let over = this.rows.length - maxRows;
    if (over <= slack) over = 0;
    if (this.bytes > maxBytes) over = Math.max(over, Math.ceil(this.rows.length * (1 - maxBytes / this.bytes)));
    over = Math.min(over, this.rows.length - rows.length);
    if (over <= 0) return null;
    this.bytes *= 1 - over / this.rows.length;
    return this.rows.splice(this.rows.length - over)[0];
  }

  resize() {
    this.sizer.style.height = `${this.rows.length * this.rowHeight}px`;
  }

  // to scrolls, which is not the user's doing.
  to(top) {
    this.scroller.scrollTop = top;
    this.own = this.scroller.scrollTop;
  }

  scrolled() {
    const top = this.scroller.scrollTop;
    if (Math.abs(top - (this.own ?? -1)) >= 1) {
      const below = this.scroller.scrollHeight - this.scroller.clientHeight - top;
      if (this.following && below > this.rowHeight && top < this.own) this.asks.held();
      else if (!this.following && below < this.rowHeight / 2 && top > this.own) this.asks.resumed();
      this.own = top;
    }
    if (top < 30 * this.rowHeight) this.asks.older();
    this.schedule();
  }

  schedule() {
    this.scheduled ??= requestAnimationFrame(() => {
      this.scheduled = undefined;
      this.show();
    });
  }

  show() {
    this.resize();
    if (this.following) this.to(this.rows.length * this.rowHeight);
    const top = this.scroller.scrollTop;
    const first = Math.max(0, Math.floor(top / this.rowHeight) - overscan);
    const last = Math.min(this.rows.length, Math.ceil((top + this.height) / this.rowHeight) + overscan);
    this.grow(Math.ceil(this.height / this.rowHeight) + 2 * overscan + 2);
    for (const e of this.pool) e.used = false;
    for (let i = first; i < last; i++) this.place(i);
    for (const e of this.pool) if (!e.used && !e.hidden) e.hidden = true;
    this.scroller.setAttribute("aria-rowcount", this.rows.length);
    // Not one that is out of sight: its element is another row's by now.
    const chosen = this.chosen && this.pool.find((e) => e.used && e.row === this.chosen);
    if (chosen) this.scroller.setAttribute("aria-activedescendant", chosen.id);
    else this.scroller.removeAttribute("aria-activedescendant");
    this.scroller.dataset.first = this.rows[0]?.p ?? "";
    this.scroller.dataset.last = this.rows.at(-1)?.p ?? "";
  }

  grow(n) {
    while (this.pool.length < n) {
      const e = el("div", "row");
      e.setAttribute("role", "row");
      e.id = `row-${this.pool.length}`;
      this.pool.push(e);
      this.scroller.append(e);
    }
  }

  place(i) {
    const n = this.pool.length;
    const number = i + this.base;
    const e = this.pool[((number % n) + n) % n];
    const row = this.rows[i];
    e.used = true;
    if (e.row !== row || e.version !== this.version) {
      e.row = row;
      e.version = this.version;
      fill(row, e, this.hits);
      e.dataset.pos = row.p;
    }
    const top = i * this.rowHeight;
    if (e.top !== top) {
      e.top = top;
      e.style.transform = `translateY(${top}px)`;
      e.setAttribute("aria-rowindex", i + 1);
    }
    if (e.hidden) e.hidden = false;
    const chosen = row === this.chosen;
    if (e.classList.contains("chosen") !== chosen) e.classList.toggle("chosen", chosen);
    e.setAttribute("aria-selected", chosen);
  }

  clicked(event) {
    const e = event.target.closest(".row");
    if (e && String(getSelection()) === "") this.choose(e.row);
  }

  choose(row) {
    this.chosen = row;
    this.schedule();
    this.asks.chosen(row);
  }

  // index returns the place of the row at a position, or of the next one.
  index(pos) {
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle].p < pos) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // move chooses the row that is so many below the chosen one, and brings it into
  // sight.
  move(by) {
    if (this.rows.length === 0) return;
    const now = this.chosen ? this.index(this.chosen.p) : Math.floor((this.scroller.scrollTop + this.height / 2) / this.rowHeight);
    const to = Math.min(this.rows.length - 1, Math.max(0, now + by));
    if (this.following) this.asks.held();
    this.reveal(to);
    this.choose(this.rows[to]);
  }

  reveal(i, middle = false) {
    this.resize();
    const top = i * this.rowHeight;
    if (middle) this.to(top - this.height / 2);
    else if (top < this.scroller.scrollTop) this.to(top);
    else if (top + this.rowHeight > this.scroller.scrollTop + this.height) this.to(top + this.rowHeight - this.height);
    this.schedule();
  }

  refresh(hits) {
    this.hits = hits;
    this.version++;
    this.schedule();
  }
}
