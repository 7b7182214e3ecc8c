// Images and videos of a pair, loaded before anybody sees them.

const LOADING = 8000; // ms for an image; after that the pair is shown without it

/** A pair whose pictures are on their way. */
export class Prepared {
  /** @param {{left: any, right: any, token: string}} pair as the API tells it */
  constructor(pair) {
    this.pair = pair;
    this.there = false; // whether there is something to see of both, or no hope for it
    this.pictures = { left: picture(pair.left), right: picture(pair.right) };
    this.halos = { left: halo(this.pictures.left), right: halo(this.pictures.right) };
    this.ready = Promise.all(Object.values(this.pictures).map(arrived)).then(() => {
      this.there = true;
    });
  }

  get key() {
    return keyOf(this.pair);
  }
}

/** A pair by its entries, each on its side. */
export const keyOf = ({ left, right }) => `${left.entryId}:${right.entryId}`;

/** An image of its own, as large as it is, for whoever wants to look closely. */
export const enlarged = (side) => Object.assign(picture(side), { draggable: false });

function picture({ image }) {
  if (image.type !== "video") {
    const made = Object.assign(new Image(), { decoding: "async", draggable: false });
    made.src = image.url;
    return made;
  }
  const made = document.createElement("video");
  Object.assign(made, { muted: true, defaultMuted: true, loop: true, playsInline: true, preload: "auto" });
  made.src = image.url;
  return made;
}

/** The image again, behind itself, as a soft light where it leaves room. */
function halo(of) {
  if (!(of instanceof HTMLImageElement)) return null;
  const behind = of.cloneNode();
  Object.assign(behind, { alt: "", className: "halo" });
  return behind;
}

/** Resolves when there is something to see, or no hope for it. */
function arrived(of) {
  const came = of instanceof HTMLVideoElement ? once(of, "loadeddata") : of.decode(); // decoded: it is there in one frame
  return Promise.race([came.catch(() => {}), new Promise((resolve) => setTimeout(resolve, LOADING))]);
}

function once(of, event) {
  return new Promise((resolve, reject) => {
    of.addEventListener(event, resolve, { once: true });
    of.addEventListener("error", reject, { once: true });
  });
}
