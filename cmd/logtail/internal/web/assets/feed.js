// The rows from the server: they are pulled from a position, which is kept while
// nothing is pulled.

import { get, lines, Refused } from "./api.js";

export class Feed {
  // tells: rows(rows, bytes), state(state), restarted(), problem(error), working(bool)
  constructor(tells) {
    this.tells = tells;
    this.cursor = 0; // the position to go on from; 0 for none
    this.run = "";
  }

  // start begins anew with the last rows, or at a position or time.
  start(filters, begin) {
    this.stop();
    this.filters = filters;
    this.begin = begin;
    this.cursor = 0;
    if (!document.hidden) this.pull(); // else when it is seen
  }

  stop() {
    this.abort?.abort();
    this.abort = null;
  }

  get pulling() {
    return this.abort !== null && this.abort !== undefined;
  }

  // pull goes on from the cursor until stop.
  async pull() {
    this.stop();
    const abort = (this.abort = new AbortController());
    for (let failures = 0; !abort.signal.aborted; ) {
      try {
        this.tells.working(true);
        await lines("/api/rows", this.parameters(), abort.signal, (parts) => {
          failures = 0;
          return this.take(parts, abort.signal);
        });
      } catch (error) {
        if (abort.signal.aborted) return;
        this.tells.problem(error);
        if (error instanceof Refused && error.status < 500 && error.status !== 429) return;
        failures++;
      }
      if (failures > 0) await new Promise((resume) => setTimeout(resume, Math.min(5000, 250 * 2 ** failures)));
    }
  }

  parameters() {
    const p = new URLSearchParams(this.filters);
    if (this.run) p.set("run", this.run);
    if (this.cursor) p.set("from", this.cursor);
    else for (const [name, value] of Object.entries(this.begin)) p.set(name, value);
    return p;
  }

  // take takes in lines. It lets the page draw between two of many.
  async take(parts, signal) {
    if (signal.aborted) return;
    const rows = [];
    let bytes = 0;
    let state = null;
    for (const part of parts) {
      const row = JSON.parse(part);
      if (row.at !== undefined) {
        this.settle(row, rows);
        state = row;
        continue;
      }
      this.cursor = row.p + (row.k === "skipped" ? row.n : 1);
      rows.push(row);
      bytes += part.length;
    }
    if (rows.length > 0) this.tells.rows(rows, bytes);
    if (state) {
      this.tells.working(!state.end);
      this.tells.state(state);
    }
    await new Promise((resume) => setTimeout(resume));
  }

  // settle takes the cursor from the state at the end of a part.
  settle(state, rows) {
    if (this.run && this.run !== state.run) {
      this.cursor = 0;
      this.tells.restarted();
      rows.push({ p: 0, k: "remark", t: Date.now(), x: "logtail was started again: what it had before is gone" });
    }
    this.run = state.run;
    this.cursor = Math.max(state.at, this.cursor);
  }

  // read reads rows once: up to so many, or as far as there are.
  async read(params, most = Infinity) {
    const p = new URLSearchParams(this.filters);
    for (const [name, value] of Object.entries(params)) p.set(name, value);
    if (this.run) p.set("run", this.run);
    const got = { rows: [], bytes: 0, state: null };
    const enough = new AbortController();
    const take = (parts) => {
      for (const part of parts) {
        const row = JSON.parse(part);
        if (row.at === undefined) {
          got.rows.push(row);
          got.bytes += part.length;
          continue;
        }
        got.state = row;
        if (row.end || got.rows.length >= most) enough.abort();
      }
    };
    try {
      await lines("/api/rows", p, enough.signal, take);
    } catch (error) {
      if (!enough.signal.aborted) throw error;
    }
    return got;
  }

  // before returns up to n rows before a position, the oldest first.
  async before(pos, n) {
    const got = await this.read({ before: pos, n });
    if (this.run && got.state.run !== this.run) got.rows = []; // they are of another logtail
    got.rows.reverse();
    return got;
  }

  // around stops, and returns up to n rows from a position on, after which pull
  // will go on.
  async around(filters, pos, n) {
    this.stop();
    this.filters = filters;
    const got = await this.read({ from: pos }, n);
    this.run = got.state.run;
    this.cursor = got.state.at;
    return got;
  }

  // peek asks for the state alone.
  async peek() {
    const { state } = await this.read({ before: 1, n: 0 });
    this.tells.state(state);
  }

  record(pos) {
    return get("/api/record", new URLSearchParams({ pos, run: this.run }));
  }
}
