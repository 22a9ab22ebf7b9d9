/*
 * What happened, told for a moment at the foot of the page and to screen readers; and the banner while the server is away.
 */
import { button, el, setText } from "./dom.js";

const SHOWN_MS = 8000;

export class Notices {
	constructor() {
		this.list = el("div", { class: "notices", role: "status", "aria-live": "polite" });
		this.banner = el("p", { class: "banner", role: "alert", hidden: true });
	}

	/* kind: "good", "bad" */
	tell(text, kind = "good") {
		const made = el("div", { class: `notice ${kind}` }, el("p", { text }));
		const close = button("Close", () => made.remove(), "plain small");
		close.setAttribute("aria-label", "Close this notice");
		made.append(close);
		this.list.append(made);
		while (this.list.childElementCount > 4) {
			this.list.firstElementChild.remove();
		}
		setTimeout(() => made.remove(), kind === "bad" ? 2 * SHOWN_MS : SHOWN_MS);
	}

	down(why) {
		setText(this.banner, `${why} Trying again…`);
		this.banner.hidden = false;
	}

	up() {
		if (!this.banner.hidden) {
			this.banner.hidden = true;
			this.tell("The server answers again.");
		}
	}
}

export const notices = new Notices();
