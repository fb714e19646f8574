// What is asked for: filters and place. All of it is in the URL, so that a view
// can be sent to a colleague.

const single = ["level", "since", "until"];
const several = ["grep", "exclude", "app", "host", "field", "where"];

export class View {
  constructor(search = "") {
    const given = new URLSearchParams(search);
    for (const name of single) this[name] = given.get(name) ?? "";
    for (const name of several) this[name] = given.getAll(name).filter(Boolean);
    this.at = Number(given.get("at")); // a row
    if (!Number.isSafeInteger(this.at) || this.at < 0) this.at = 0;
    this.run = given.get("run") ?? ""; // of that logtail
  }

  // filters are the parameters of a request.
  filters(without = []) {
    const p = new URLSearchParams();
    for (const name of single) if (this[name] && !without.includes(name)) p.set(name, this[name]);
    for (const name of several) for (const value of this[name]) p.append(name, value);
    return p;
  }

  get filtered() {
    return String(this.filters()) !== "";
  }

  url() {
    const p = this.filters();
    if (this.at) {
      p.set("at", this.at);
      p.set("run", this.run);
    }
    const query = String(p);
    return location.pathname + (query ? "?" + query : "");
  }

  // chips are the filters that have no field of their own.
  *chips() {
    const [, ...greps] = this.grep;
    const [, ...wheres] = this.where;
    for (const [name, values] of Object.entries({ grep: greps, exclude: this.exclude, app: this.app, host: this.host, field: this.field, where: wheres })) {
      for (const value of values) yield { name, value };
    }
    if (this.since.includes("T")) yield { name: "since", value: this.since };
    if (this.until) yield { name: "until", value: this.until };
  }

  remove({ name, value }) {
    if (single.includes(name)) this[name] = "";
    else this[name] = this[name].filter((v) => v !== value);
  }

  add(name, value) {
    if (!this[name].includes(value)) this[name].push(value);
  }
}
