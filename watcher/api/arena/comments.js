// The dialog with all comments of one image. Whatever a comment holds is shown as text.

import { persist } from "./patience.js";
import { waiting } from "./words.js";

export class Comments {
  /** @param {HTMLDialogElement} dialog @param {(entryId: number, cursor: string|null) => Promise<any>} page */
  constructor(dialog, page) {
    const find = (id) => dialog.querySelector(`#comments-${id}`);
    Object.assign(this, { dialog, page, title: find("title"), list: find("list"), said: find("said"), more: find("more") });
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

  /** @param {number} entryId @param {string} title */
  show(entryId, title) {
    this.over?.abort();
    this.over = new AbortController();
    this.entryId = entryId;
    this.next = null;
    this.title.textContent = title;
    this.list.replaceChildren();
    if (!this.dialog.open) this.dialog.showModal();
    this.title.focus();
    this.fetch();
  }

  async fetch() {
    const { signal } = this.over;
    const first = !this.list.childElementCount;
    this.more.hidden = true;
    this.said.textContent = "Loading…";
    try {
      const tell = (error, seconds) => (this.said.textContent = waiting(error, seconds));
      const { comments, next, total } = await persist(() => this.page(this.entryId, this.next, signal), { waiting: tell, signal });
      const rows = comments.map(row);
      this.list.append(...rows);
      this.next = next ?? null;
      this.more.hidden = this.next === null;
      const shown = this.list.childElementCount;
      this.said.textContent = shown ? `${shown}${total === undefined ? "" : ` of ${Math.max(total, shown)}`} shown` : "No comments on this image yet.";
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
  const facts = document.createElement("div");
  facts.className = "soft";
  const when = document.createElement("time");
  when.dateTime = createdAt;
  when.textContent = new Date(createdAt).toLocaleDateString([], { dateStyle: "medium" });
  const liked = document.createElement("span");
  liked.textContent = reactions === 1 ? "1 reaction" : `${reactions} reactions`;
  const who = document.createElement("span");
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
