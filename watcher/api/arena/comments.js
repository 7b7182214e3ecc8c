// The dialog with all comments on one image, or on the crucible. Whatever a comment holds is shown as text.

import { persist } from "./patience.js";
import { waiting } from "./words.js";

export class Comments {
  /** @param {HTMLDialogElement} dialog @param {(path: string, signal: AbortSignal) => Promise<any>} ask */
  constructor(dialog, ask) {
    const find = (id) => dialog.querySelector(`#comments-${id}`);
    Object.assign(this, { dialog, ask, title: find("title"), list: find("list"), said: find("said"), more: find("more") });
    find("close").addEventListener("click", () => dialog.close());
    this.more.addEventListener("click", () => this.fetch());
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close(); // the backdrop
    });
    dialog.addEventListener("close", () => this.over?.abort());
  }

  get open() {
    return this.dialog.open;
  }

  /** @param {string} path of the comments @param {string} title @param {string} nothing what to say if there are none */
  show(path, title, nothing) {
    this.over?.abort();
    this.over = new AbortController();
    Object.assign(this, { path, nothing });
    this.next = null;
    this.title.textContent = title;
    this.list.replaceChildren();
    if (!this.dialog.open) this.dialog.showModal();
    this.title.focus();
    this.fetch();
  }

  /** Path of the page that is next. */
  get page() {
    return this.next === null ? this.path : `${this.path}?cursor=${encodeURIComponent(this.next)}`;
  }

  async fetch() {
    const { signal } = this.over;
    const first = !this.list.childElementCount;
    this.more.hidden = true;
    this.said.textContent = "Loading…";
    try {
      const tell = (error, seconds) => (this.said.textContent = waiting(error, seconds));
      const { comments, next, total } = await persist(() => this.ask(this.page, signal), { waiting: tell, signal });
      const rows = comments.map(row);
      this.list.append(...rows);
      this.next = next ?? null;
      this.more.hidden = this.next === null;
      const shown = this.list.childElementCount;
      this.said.textContent = shown ? `${shown}${total === undefined ? "" : ` of ${Math.max(total, shown)}`} shown` : this.nothing;
      if (!first && rows.length) focusOn(rows[0]);
    } catch (error) {
      if (!signal.aborted) this.said.textContent = error.message;
    }
  }
}

function row({ text, author, reactions, createdAt, replyTo }) {
  const item = document.createElement("li");
  const words = document.createElement("p");
  words.textContent = text;
  words.dir = "auto";
  const facts = document.createElement("div");
  facts.className = "soft";
  const when = document.createElement("time");
  when.dateTime = createdAt;
  when.textContent = new Date(createdAt).toLocaleDateString([], { dateStyle: "medium" });
  const liked = document.createElement("span");
  liked.textContent = reactions === 1 ? "1 reaction" : `${reactions} reactions`;
  const who = document.createElement("span");
  who.dir = "auto";
  who.textContent = replyTo ? `${author ?? "Somebody"}, in reply` : (author ?? "Somebody");
  facts.append(who, when, liked);
  item.append(words, facts);
  return item;
}

/** Reading goes on where the new ones begin. */
function focusOn(item) {
  item.tabIndex = -1;
  item.focus();
}
