// What the last vote came to: beside the next pair, which nobody has to wait for.

export class Last {
  /** @param {HTMLElement} strip hidden until there is a vote */
  constructor(strip) {
    this.strip = strip;
  }

  /** @param {import("./pictures.js").Prepared} prepared @param {string} side that was chosen @param {number|null} delta */
  show(prepared, side, delta) {
    const sign = { won: "+", lost: "−" };
    const parts = ["left", "right"].map((name) => {
      const part = document.createElement("span");
      part.dataset.outcome = name === side ? "won" : "lost";
      const points = document.createElement("b");
      points.textContent = delta === null ? "" : `${sign[part.dataset.outcome]}${delta}`;
      part.append(...thumb(prepared.pictures[name]), points);
      return part;
    });
    this.strip.replaceChildren(...parts);
    this.strip.hidden = false;
  }
}

function thumb(picture) {
  return picture instanceof HTMLImageElement ? [Object.assign(new Image(), { src: picture.src, alt: "", className: "thumb" })] : [];
}
