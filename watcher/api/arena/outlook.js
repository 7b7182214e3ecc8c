// Beside a notice that there is nothing to judge: who leads or has won, and how one's own votes did.

export class Outlook {
  /** @param {HTMLElement} panel @param {(entryId: number) => Promise<any>} image */
  constructor(panel, image) {
    const find = (name) => panel.querySelector(`.${name}`);
    Object.assign(this, { panel, image, first: find("first"), thumb: find("thumb"), words: find("words"), own: find("own-votes") });
    this.told = null;
  }

  /** @param {{entryId: number, rating: number|null, votes: number|null}|undefined} entry in front @param {boolean} final */
  leader(entry, final) {
    this.first.hidden = !entry;
    if (!entry) return;
    const stands = entry.rating === null ? "" : ` with ${entry.rating}`;
    this.words.textContent = `Entry ${entry.entryId} ${final ? "has won" : "leads"}${stands}.`;
    if (this.told === entry.entryId) return;
    this.told = entry.entryId;
    this.thumb.replaceChildren();
    this.image(entry.entryId).then((image) => this.picture(entry.entryId, image), () => {}); // who leads is known without
  }

  /** @param {{votes: number, upheld: number|null}} mine as the API tells it @param {boolean} final */
  mine({ votes, upheld }, final) {
    const words = { 0: "You did not vote here.", 1: "You cast 1 vote" }[votes] ?? `You cast ${votes.toLocaleString()} votes`;
    this.own.textContent = votes ? `${words}${upheld === null ? "" : described(votes, upheld, final)}.` : words;
  }

  picture(entryId, image) {
    if (this.told !== entryId || !image || image.type === "video") return;
    this.thumb.replaceChildren(Object.assign(new Image(), { src: image.url, alt: "", decoding: "async" }));
  }
}

function described(votes, upheld, final) {
  const stands = final ? "ended" : "stands";
  if (votes === 1) return `, and your choice ${stands} ${upheld ? "above" : "below"} the other`;
  const many = { 0: "none", [votes]: "each" }[upheld] ?? upheld.toLocaleString();
  return `, and in ${many} of them your choice ${stands} above the other`;
}
