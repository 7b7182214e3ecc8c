// The live board: rows keep their identity while they move, so that focus and eye can follow.

const AGAIN = 10_000; // ms until a thumbnail that did not come is asked for again
const MOVE = { duration: 420, easing: "cubic-bezier(.2,.8,.2,1)" };

export class Standings {
  /**
   * @param {HTMLOListElement} list
   * @param {{chosen: (entry: any) => void, away: (is: boolean) => void, image: (entryId: number) => Promise<any>}} to
   *   `away`: whether the chosen entry is not on the board just now
   */
  constructor(list, { chosen, away, image }) {
    this.list = list;
    this.chosen = chosen;
    this.away = away;
    this.image = image;
    this.images = new Map(); // by entry: rows come and go with the pairs
    this.ready = false; // whether it is known what to leave out
    this.wanted = Promise.resolve();
    this.seen = new IntersectionObserver((changes) => this.look(changes), { rootMargin: "100px" });
    this.rows = new Map();
    this.picked = null;
    this.veiled = new Set(); // entries that are judged just now: what they stand at would sway
    this.entries = [];
    this.still = window.matchMedia("(prefers-reduced-motion: reduce)");
  }

  /** @param {{rank: number, entryId: number, rating: number, votes: number}[]} entries best first */
  show(entries) {
    this.entries = entries;
    this.draw(entries.filter(({ entryId }) => !this.veiled.has(entryId)));
  }

  /** The entry in front; undefined before anything is known. */
  get first() {
    return this.entries[0];
  }

  /** @param {number[]} ids of entries to leave out for now */
  veil(ids) {
    if (this.ready && ids.length === this.veiled.size && ids.every((id) => this.veiled.has(id))) return;
    this.ready = true;
    this.veiled = new Set(ids);
    this.show(this.entries);
  }

  draw(entries) {
    const before = new Map([...this.rows].map(([id, row]) => [id, row.item.offsetTop]));
    const gone = new Set(this.rows.keys());
    entries.forEach((entry, at) => {
      gone.delete(entry.entryId);
      const row = this.rows.get(entry.entryId) ?? this.make(entry);
      this.fill(row, entry);
      const there = this.list.children[at];
      if (there !== row.item) this.place(row.item, there ?? null);
    });
    for (const id of gone) {
      this.seen.unobserve(this.rows.get(id).item);
      this.rows.get(id).item.remove();
      this.rows.delete(id);
    }
    if (!this.still.matches) this.glide(before);
    if (this.picked === null && this.ready && entries.length) this.pick(entries[0].entryId);
    else if (this.picked !== null) this.away(!this.rows.has(this.picked));
  }

  pick(id) {
    this.picked = id;
    for (const [each, row] of this.rows) row.button.setAttribute("aria-pressed", String(each === id));
    this.chosen(this.rows.get(id).entry);
  }

  /** Moving an element takes the focus from what is in it: give it back. */
  place(item, before) {
    const focused = item.contains(document.activeElement) ? document.activeElement : null;
    this.list.insertBefore(item, before);
    focused?.focus({ preventScroll: true });
  }

  glide(before) {
    for (const [id, { item }] of this.rows) {
      const way = (before.get(id) ?? item.offsetTop) - item.offsetTop;
      if (way) item.animate([{ transform: `translateY(${way}px)` }, { transform: "none" }], MOVE);
    }
  }

  make({ entryId }) {
    const item = document.createElement("li");
    item.dataset.entry = String(entryId);
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "row" });
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => this.pick(entryId));
    const [place, thumb, who, rating] = ["span", "span", "span", "span"].map((name) => document.createElement(name));
    [place, thumb, who, rating].forEach((part, at) => (part.className = ["place", "thumb", "who", "rating"][at]));
    const name = document.createElement("b");
    const votes = document.createElement("small");
    name.textContent = `Entry ${entryId}`;
    who.append(name, votes);
    button.append(place, thumb, who, rating);
    item.append(button);
    const row = { item, button, place, thumb, votes, rating, entry: null };
    this.rows.set(entryId, row);
    this.seen.observe(item);
    return row;
  }

  /** Rows that come into view get their image, one after the other: a board is no reason to hurry. */
  look(changes) {
    for (const { target, isIntersecting } of changes) {
      const id = Number(target.dataset.entry);
      if (!isIntersecting || !this.rows.has(id)) continue;
      this.seen.unobserve(target);
      this.wanted = this.wanted
        .then(async () => this.images.get(id) ?? (await this.image(id)))
        .then((image) => this.thumb(id, image), () => setTimeout(() => this.again(id), AGAIN));
    }
  }

  /** What failed is asked for once more when its row is in view then, or comes into view. */
  again(id) {
    const row = this.rows.get(id);
    if (row) this.seen.observe(row.item);
  }

  thumb(id, image) {
    const row = this.rows.get(id);
    if (!row || !image || image.type === "video") return;
    this.images.set(id, image);
    const picture = Object.assign(new Image(), { className: "thumb", alt: "", decoding: "async" });
    const lost = () => {
      this.images.delete(id);
      setTimeout(() => this.again(id), AGAIN);
    };
    picture.addEventListener("error", lost, { once: true });
    picture.src = image.url;
    row.thumb.replaceWith(picture);
    row.thumb = picture;
  }

  fill(row, entry) {
    const last = row.entry;
    row.entry = entry;
    row.place.textContent = String(entry.rank);
    row.button.dataset.top = String(entry.rank <= 3);
    row.rating.textContent = String(entry.rating);
    row.votes.textContent = entry.votes === 1 ? "1 vote" : `${entry.votes} votes`;
    if (last && last.rating !== entry.rating) row.button.dataset.moved = entry.rating > last.rating ? "up" : "down";
    row.button.setAttribute(
      "aria-label",
      `Place ${entry.rank}: entry ${entry.entryId}, rating ${entry.rating}, ${row.votes.textContent}. Show its rating over time`,
    );
  }
}
