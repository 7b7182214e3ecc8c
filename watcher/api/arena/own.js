// The asker's entries: which are in, which wait for something, and why the others are not.

const STANDS = {
  undecided: "waiting",
  waiting: "waiting",
  admitted: "in",
  rejected: "not in",
  withdrawn: "withdrawn",
};

export class OwnEntries {
  /** @param {HTMLElement} panel hidden from whoever has none @param {(text: string) => void} say */
  constructor(panel, say) {
    Object.assign(this, { panel, say, list: panel.querySelector("ul"), known: new Map() });
  }

  /** @param {{entryId: number, verdict: string, reasons: {sentence: string}[]}[]} entries */
  show(entries) {
    const news = entries.filter(({ entryId, verdict }) => this.known.has(entryId) && this.known.get(entryId) !== stand(verdict));
    this.known = new Map(entries.map(({ entryId, verdict }) => [entryId, stand(verdict)]));
    this.list.replaceChildren(...entries.map(row));
    this.panel.hidden = entries.length === 0;
    if (news.length) this.say(news.map(({ entryId, verdict }) => `Your entry ${entryId} is ${stand(verdict)}.`).join(" "));
  }
}

const stand = (verdict) => STANDS[verdict] ?? verdict;

function row({ entryId, verdict, reasons }) {
  const item = document.createElement("li");
  item.dataset.verdict = verdict;
  const name = document.createElement("b");
  name.textContent = `Entry ${entryId}`;
  const stands = document.createElement("span");
  stands.className = "stands";
  stands.textContent = stand(verdict);
  item.append(name, " ", stands, ...(verdict === "admitted" ? [] : reasons.map(why)));
  return item;
}

function why({ sentence }) {
  const words = document.createElement("p");
  words.className = "soft";
  words.textContent = sentence;
  return words;
}
