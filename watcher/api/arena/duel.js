// The two images: shown when both are there, voted on, replaced.

const LOADING = 8000; // ms for an image; after that the pair is shown without it
const STACKED = "(max-width: 40rem) and (orientation: portrait)";

export class Duel {
  /** @param {HTMLElement} root @param {{vote: (side: string) => void, talk: (side: string) => void}} to */
  constructor(root, to) {
    this.root = root;
    this.sides = {};
    for (const article of root.querySelectorAll(".side")) {
      const name = article.dataset.side;
      const find = (selector) => article.querySelector(selector);
      const parts = { article, vote: find(".vote"), frame: find(".frame"), delta: find(".delta") };
      this.sides[name] = { ...parts, talk: find(".talk"), quote: find(".quote"), count: find(".count") };
      parts.vote.addEventListener("click", () => to.vote(name));
      // Without motion a video is a still until somebody turns to it.
      for (const turn of ["pointerenter", "focus"]) {
        parts.vote.addEventListener(turn, () => parts.frame.querySelector("video")?.play().catch(() => {}));
      }
      this.sides[name].talk.addEventListener("click", () => to.talk(name));
    }
    this.pair = null;
    this.turn = 0; // which pair the page is about: what belongs to an earlier one comes too late
    this.busy(true);
    root.dataset.fetching = "true";
    this.stacked = window.matchMedia(STACKED);
    this.stacked.addEventListener("change", () => this.name());
    this.still = window.matchMedia("(prefers-reduced-motion: reduce)");
    this.name();
  }

  /** What a side is called: the two stand above each other on a phone. */
  called(side) {
    return this.stacked.matches ? { left: "upper", right: "lower" }[side] : side;
  }

  /** Whether votes are taken now. */
  get open() {
    return this.pair !== null && this.root.getAttribute("aria-busy") === "false";
  }

  busy(on) {
    this.root.setAttribute("aria-busy", String(on));
    for (const { vote } of Object.values(this.sides)) vote.setAttribute("aria-disabled", String(on));
  }

  /** Show a pair, once both images have come, unless another one was shown or cleared away meanwhile. */
  async show(pair) {
    this.pair = null; // no vote on what was there before
    this.busy(true);
    this.turn += 1;
    const turn = this.turn;
    const names = Object.keys(this.sides);
    const pictures = names.map((side) => this.picture(pair[side], side));
    names.forEach((side, at) => this.sides[side].frame.replaceChildren(...halo(pictures[at]), pictures[at]));
    names.forEach((side) => this.caption(side, pair[side]));
    await Promise.all(pictures.map(arrived));
    if (turn !== this.turn) return;
    this.pair = pair;
    for (const picture of pictures) {
      picture.dataset.shown = "true";
      if (picture.previousSibling) picture.previousSibling.dataset.shown = "true";
    }
    this.name();
    this.busy(false);
    this.root.dataset.fetching = "false";
  }

  /** Nothing to vote on: while the next pair is fetched. */
  clear() {
    this.turn += 1;
    this.pair = null;
    this.busy(true);
    this.root.dataset.fetching = "true";
    for (const side of Object.values(this.sides)) {
      delete side.article.dataset.outcome;
      side.delta.textContent = "";
      side.frame.replaceChildren();
      side.quote.textContent = "";
      side.count.textContent = "";
    }
  }

  /** Mark the choice before the answer comes. */
  choose(winner) {
    this.busy(true);
    for (const [name, side] of Object.entries(this.sides)) side.article.dataset.outcome = name === winner ? "won" : "lost";
  }

  /** Show how many points went over. */
  settle(winner, delta) {
    for (const [name, side] of Object.entries(this.sides)) side.delta.textContent = name === winner ? `+${delta}` : `−${delta}`;
  }

  /** The side that has the focus or the pointer, else the left one. */
  get near() {
    const within = (parts) => parts.article.matches(":focus-within, :hover");
    return Object.keys(this.sides).find((side) => within(this.sides[side])) ?? "left";
  }

  picture({ image }, side) {
    const alt = `The ${this.called(side)} image`;
    if (image.type !== "video") {
      const made = Object.assign(new Image(), { alt, decoding: "async", draggable: false });
      made.src = image.url;
      return made;
    }
    const made = document.createElement("video");
    Object.assign(made, { muted: true, defaultMuted: true, loop: true, playsInline: true, preload: "auto" });
    made.autoplay = !this.still.matches;
    made.setAttribute("aria-label", alt);
    made.src = image.url;
    return made;
  }

  caption(side, { topComment, commentCount }) {
    const { quote, count } = this.sides[side];
    quote.textContent = topComment ? topComment.text : "No comments";
    quote.dataset.none = String(!topComment);
    count.textContent = commentCount ? `${commentCount} ${commentCount === 1 ? "comment" : "comments"}` : "";
  }

  name() {
    for (const [name, side] of Object.entries(this.sides)) {
      const called = this.called(name);
      side.vote.setAttribute("aria-label", `Vote for the ${called} image`);
      const said = side.quote.dataset.none === "false" ? `Top comment: ${side.quote.textContent}. ` : "";
      side.talk.setAttribute("aria-label", `${said}${side.count.textContent || "No comments"} on the ${called} image`);
    }
  }
}

/** The image again, behind itself, as a soft light where it leaves room. */
function halo(picture) {
  if (!(picture instanceof HTMLImageElement)) return [];
  const behind = picture.cloneNode();
  Object.assign(behind, { alt: "", className: "halo" });
  return [behind];
}

/** Resolves when there is something to see, or no hope for it. */
function arrived(picture) {
  const came = picture instanceof HTMLVideoElement ? "loadeddata" : "load";
  if (picture.complete && picture.naturalWidth) return Promise.resolve();
  return new Promise((resolve) => {
    setTimeout(resolve, LOADING);
    picture.addEventListener(came, resolve, { once: true });
    picture.addEventListener("error", resolve, { once: true });
  });
}
