// Who may see the page.

import { get, login } from "./api.js";
import { el } from "./row.js";

// enter returns what the server calls itself, once it lets us in. A token in the
// URL's fragment is taken out of it.
export async function enter(dialog) {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) {
    history.replaceState(null, "", location.pathname + location.search);
    await login({ token }).catch(() => {}); // the session says what became of it
  }
  for (;;) {
    const session = await get("/api/session");
    if (session.in) return session.title;
    await ask(dialog, session.with);
  }
}

// ask returns when the user has logged in.
function ask(dialog, way) {
  return new Promise((done) => {
    const form = el("form");
    const problem = el("p");
    problem.setAttribute("role", "alert");
    const fields = way === "password" ? { user: "text", password: "password" } : { token: "password" };
    const inputs = Object.entries(fields).map(([name, type]) => {
      const label = el("label", "field");
      const input = el("input");
      Object.assign(input, { name, type, required: true, autocomplete: name === "user" ? "username" : "current-password" });
      label.append(el("span", "", name), input);
      return label;
    });
    const button = el("button", "primary", "Open");
    form.append(...inputs, button, problem);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      button.disabled = true;
      try {
        await login(Object.fromEntries(new FormData(form)));
        dialog.close();
        done();
      } catch (error) {
        problem.textContent = error.message;
      }
      button.disabled = false;
    });
    const hint = way === "password" ? "Log in to see the records." : "Open the address that logtail printed when it started: it has the token in it. Or enter the token here.";
    dialog.replaceChildren(el("h2", "", "logtail"), el("p", "", hint), form);
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    if (!dialog.open) dialog.showModal();
  });
}
