// How the crucible came out: the first places, what they get, and what proves it.

const AHEAD = { frozen: 1, settling: 2, completed: 3, cancelled: 3 };

/** Whether the one is further on than the other; no end is the least. */
export const further = (one, other) => (AHEAD[one?.status] ?? 0) > (AHEAD[other?.status] ?? 0);

export class Result {
  /** @param {HTMLElement} panel hidden until there is a result @param {(entryId: number) => Promise<any>} image */
  constructor(panel, image) {
    const find = (selector) => panel.querySelector(selector);
    Object.assign(this, { panel, image, places: find("ol"), money: find(".money"), proof: find("details"), told: find("details p"), digest: find("code") });
  }

  /** @param {{podium: any[], pool: any, paid: any, remainder: any, proof: {digest: string, votes: number}|null}} ending */
  show({ podium, pool, paid, remainder, proof }) {
    this.panel.hidden = !podium.length && !proof;
    this.places.replaceChildren(...podium.map((place) => this.row(place)));
    const parts = [pool && `Pool ${buzz(pool)}`, paid && `prizes ${buzz(paid)}`, remainder?.amount && `remainder ${buzz(remainder)}`];
    this.money.textContent = parts.filter(Boolean).join(", ");
    this.proof.hidden = !proof;
    if (!proof) return;
    this.told.textContent = `All ${votes(proof.votes)} were cast once more, and gave every rating to the point. Whoever has the votes can work out the same number:`;
    this.digest.textContent = proof.digest;
  }

  row({ position, entryId, rating, votes: number, prize }) {
    const item = document.createElement("li");
    const [place, thumb, who, gets] = ["span", "span", "span", "span"].map((name) => document.createElement(name));
    [place, thumb, who, gets].forEach((part, at) => (part.className = ["place", "thumb", "who", "prize"][at]));
    place.textContent = String(position);
    const name = document.createElement("b");
    const stood = document.createElement("small");
    name.textContent = `Entry ${entryId}`;
    stood.textContent = rating === null ? "removed since" : `rating ${rating}, ${votes(number)}`;
    who.append(name, " ", stood);
    gets.textContent = prize ? buzz(prize) : "";
    item.append(place, " ", thumb, " ", who, " ", gets);
    if (rating !== null) this.image(entryId).then((image) => picture(thumb, image), () => {}); // a result without its image is one
    return item;
  }
}

function picture(thumb, image) {
  if (!image || image.type === "video") return;
  const made = Object.assign(new Image(), { className: "thumb", alt: "", decoding: "async" });
  made.src = image.url;
  thumb.replaceWith(made);
}

const buzz = ({ amount }) => `${amount.toLocaleString()} Buzz`;

const votes = (number) => (number === 1 ? "1 vote" : `${number.toLocaleString()} votes`);
