/*
 * The console's frame: the door, the bar with the pages' names, and which page is shown. Every two seconds it asks for what all pages show: the
 * state of the server and the counts that the charts are made of; so the charts go on while another page is looked at.
 */
import { forgetKey, get, hasKey, listen, takeKeptKey } from "./api.js";
import { button, el, setText } from "./dom.js";
import { count } from "./format.js";
import { Letter } from "./letter.js";
import { Letters } from "./letters.js";
import { Limits } from "./limits.js";
import { Login } from "./login.js";
import { notices } from "./notice.js";
import { Overview } from "./overview.js";
import { Poll } from "./poll.js";
import { Rates } from "./rates.js";
import { here, href } from "./route.js";
import { makeThemeButton } from "./theme.js";

const POLL_MS = 2000;
const DEAD_LETTERS = "dead-letters";

/* The page that the address of the location itself names. */
const START = /\/dlq\/dashboard\/?$/.test(location.pathname) ? DEAD_LETTERS : "overview";

class Console {
	constructor() {
		this.rates = new Rates();
		this.pages = { overview: new Overview(this.rates), [DEAD_LETTERS]: new Letters(), letter: new Letter(), limits: new Limits() };
		this.page = null;
		this.live = el("p", { class: "live", data: { state: "wait" }, text: "connecting" });
		this.waiting = el("span", { class: "badge", hidden: true });
		this.main = el("main", { id: "main", tabindex: "-1" });
		this.login = new Login(() => this.enter());
		this.bar = this.makeBar();
		this.poll = new Poll(POLL_MS, () => this.look());
		const skip = el("a", { class: "skip", href: "#main", text: "Skip to the content", on: { click: (event) => this.skip(event) } });
		document.body.append(skip, this.bar, notices.banner, this.main, notices.list);
		listen("up", (isUp, why) => (isUp ? notices.up() : this.away(why)));
		listen("refused", (why) => this.leave(why));
		window.addEventListener("hashchange", () => hasKey() && this.show());
	}

	makeBar() {
		const names = [["overview", "Overview"], [DEAD_LETTERS, "Dead letters"], ["limits", "Limits"]];
		this.links = names.map(([path, text]) =>
			el("a", { href: href([path]), data: { page: path } }, text, path === DEAD_LETTERS && this.waiting));
		this.inside = el("div", { class: "inside" }, el("nav", { "aria-label": "Pages" }, this.links), this.live,
			button("Log out", () => this.leave("You are logged out."), "plain"));
		return el("header", { class: "bar" }, el("span", { class: "brand", text: "Sluice" }), this.inside, makeThemeButton());
	}

	/* The address is the pages': a link to #main would change it. */
	skip(event) {
		event.preventDefault();
		this.main.focus();
	}

	/* ---- in and out */

	begin() {
		if (takeKeptKey()) {
			this.enter();
		} else {
			this.leave("");
		}
	}

	enter() {
		this.inside.hidden = false;
		this.main.replaceChildren();
		this.show();
		this.poll.start();
	}

	leave(why) {
		forgetKey();
		this.poll.stop();
		this.page?.hide();
		this.page = null;
		this.rates.begin();
		document.querySelectorAll("dialog").forEach((box) => box.close());
		this.inside.hidden = true;
		document.title = "Log in · Sluice console";
		this.main.replaceChildren(this.login.root);
		this.login.show(why);
	}

	away(why) {
		this.live.dataset.state = "bad";
		setText(this.live, "away");
		notices.down(why);
	}

	/* ---- pages */

	show() {
		const { path, params } = here();
		const name = path[0] ?? START;
		const page = name === DEAD_LETTERS && path[1] ? this.pages.letter : Object.hasOwn(this.pages, name) ? this.pages[name] : this.pages[START];
		const isNew = page !== this.page || page === this.pages.letter;
		if (page !== this.page) {
			this.page?.hide();
			this.page = page;
			this.main.replaceChildren(page.root);
		}
		this.links.forEach((link) => {
			if (link.dataset.page === (page === this.pages.letter ? DEAD_LETTERS : page.name)) {
				link.setAttribute("aria-current", "page");
			} else {
				link.removeAttribute("aria-current");
			}
		});
		document.title = `${page.title} · Sluice console`;
		if (page.name === DEAD_LETTERS) {
			this.pages.letter.wayBack.href = location.hash || href([DEAD_LETTERS]); /* filters and page included */
		}
		page.show(params, path[1]);
		if (isNew) {
			page.root.querySelector("h1").focus({ preventScroll: true });
			window.scrollTo(0, 0);
		}
	}

	/* ---- what all pages show */

	async look() {
		const [status, traffic] = await Promise.all([get("status"), get("traffic")]);
		this.rates.add(traffic);
		this.live.dataset.state = status.stopping ? "warn" : "good";
		setText(this.live, status.stopping ? "stopping" : "live");
		this.pages.overview.see(status);
		this.countLetters(status.dead_letters.pending);
	}

	countLetters(pending) {
		this.waiting.hidden = pending === 0;
		setText(this.waiting, count(pending));
		this.waiting.setAttribute("aria-label", `${pending} pending`);
	}
}

new Console().begin();
