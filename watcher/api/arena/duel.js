// The two images: shown when both are there, chosen from, replaced.

const STACKED = "(max-width: 40rem) and (orientation: portrait)";
const GLOW = 450; // ms that a choice glows on its side, over whatever is there by then
const DOUBLE = 300; // ms from a pair's coming in which the second click of a double click was meant for the one before
const END = /[.!?…:;]$/;

export class Duel {
  /**
   * @param {HTMLElement} root
   * @param {{vote: (side: string) => void, talk: (side: string) => void, zoom: (side: string) => void}} to
   */
  constructor(root, to) {
    this.root = root;
    this.sides = {};
    for (const article of root.querySelectorAll(".side")) {
      const name = article.dataset.side;
      const find = (selector) => article.querySelector(selector);
      const parts = { article, vote: find(".vote"), frame: find(".frame"), zoom: find(".zoom"), talk: find(".talk") };
      this.sides[name] = { ...parts, quote: find(".quote"), count: find(".count") };
      parts.vote.addEventListener("click", (event) => this.means(event) && to.vote(name));
      // Without motion a video is a still until somebody turns to it.
      for (const turn of ["pointerenter", "focus"]) {
        parts.vote.addEventListener(turn, () => parts.frame.querySelector("video")?.play().catch(() => {}));
      }
      parts.talk.addEventListener("click", () => to.talk(name));
      parts.zoom.addEventListener("click", () => to.zoom(name));
    }
    this.shown = null; // the pair to choose from
    this.wanted = null; // the pair that is to be shown, also while its pictures are on their way
    this.stacked = window.matchMedia(STACKED);
    this.stacked.addEventListener("change", () => this.name());
    this.still = window.matchMedia("(prefers-reduced-motion: reduce)");
    this.clear();
    this.name();
  }

  /** What a side is called: the two stand above each other on a phone. */
  called(side) {
    return this.stacked.matches ? { left: "upper", right: "lower" }[side] : side;
  }

  /** Whether a choice is taken now. */
  get open() {
    return this.shown !== null && this.root.getAttribute("aria-busy") === "false";
  }

  /** Whether a click is about the pair that is shown. */
  means(click) {
    return !(click.detail > 1 && click.timeStamp - this.shownAt < DOUBLE);
  }

  busy(on) {
    this.root.setAttribute("aria-busy", String(on));
    for (const { vote } of Object.values(this.sides)) vote.setAttribute("aria-disabled", String(on));
  }

  /**
   * Show a pair: at once if its pictures are there, else when they have come, unless another one is wanted by then.
   *
   * @param {import("./pictures.js").Prepared} prepared
   */
  async show(prepared) {
    if (this.wanted === prepared) return;
    if (!prepared.there) {
      this.clear();
      this.caption(prepared.pair);
    }
    this.wanted = prepared;
    if (!prepared.there) await prepared.ready;
    if (this.wanted !== prepared) return;
    for (const [name, { frame }] of Object.entries(this.sides)) {
      const [picture, halo] = [prepared.pictures[name], prepared.halos[name]];
      for (const each of [halo, picture].filter(Boolean)) each.dataset.shown = "true";
      frame.replaceChildren(...[halo, picture].filter(Boolean));
      if (picture instanceof HTMLVideoElement && !this.still.matches) picture.play().catch(() => {});
    }
    this.shown = prepared;
    this.shownAt = performance.now();
    this.seen = new Promise((resolve) => requestAnimationFrame(() => resolve()));
    this.caption(prepared.pair);
    this.root.dataset.fetching = "false";
    this.busy(false);
  }

  /** Nothing to choose from: while the next pair is on its way. */
  clear() {
    this.shown = this.wanted = null;
    this.busy(true);
    this.root.dataset.fetching = "true";
    for (const { frame, quote, count } of Object.values(this.sides)) {
      frame.replaceChildren();
      quote.textContent = count.textContent = "";
    }
  }

  /** Mark a side as chosen, in passing. */
  glow(side) {
    const { article } = this.sides[side];
    clearTimeout(this.glowing);
    for (const { article: each } of Object.values(this.sides)) delete each.dataset.chosen;
    article.dataset.chosen = "true";
    this.glowing = setTimeout(() => delete article.dataset.chosen, GLOW);
  }

  /** The side that has the focus or the pointer, else the left one. */
  get near() {
    const within = (parts) => parts.article.matches(":focus-within, :hover");
    return Object.keys(this.sides).find((side) => within(this.sides[side])) ?? "left";
  }

  caption(pair) {
    for (const [name, { quote, count }] of Object.entries(this.sides)) {
      const { topComment, commentCount } = pair[name];
      quote.textContent = topComment ? topComment.text : "No comments";
      quote.dataset.none = String(!topComment);
      count.textContent = commentCount ? `${commentCount} ${commentCount === 1 ? "comment" : "comments"}` : "";
    }
    this.name();
  }

  name() {
    for (const [name, { vote, zoom, talk, frame, quote, count }] of Object.entries(this.sides)) {
      const called = this.called(name);
      vote.setAttribute("aria-label", `Vote for the ${called} image`);
      zoom.setAttribute("aria-label", `Look closely at the ${called} image`);
      const said = quote.dataset.none === "false" ? `Top comment: ${ended(quote.textContent)} ` : "";
      talk.setAttribute("aria-label", `${said}${count.textContent || "No comments"} on the ${called} image`);
      const [picture] = frame.querySelectorAll(":not(.halo)");
      if (picture instanceof HTMLImageElement) picture.alt = `The ${called} image`;
      else picture?.setAttribute("aria-label", `The ${called} image`);
    }
  }
}

/** A text with one end: that which it has, else a full stop. */
export const ended = (text) => (END.test(text) ? text : `${text}.`);
