/*
 * The dead letters: how many and why (cards, bars by the hour), which (filters, search, pages, all kept in the address), and what is to become of
 * them: one, those chosen, or all that the filter finds.
 */
import { get } from "./api.js";
import { BarChart } from "./chart.js";
import { decide, outcome } from "./decide.js";
import { button, el, field, section, select, setOptions, setText } from "./dom.js";
import { ago, bytes, count, duration, hourOf, plural, shortId } from "./format.js";
import { Jobs, Rules } from "./jobs.js";
import { LetterTable } from "./letter_table.js";
import { notices } from "./notice.js";
import { Poll } from "./poll.js";
import { amend, go } from "./route.js";

const PATH = ["dead-letters"];
const POLL_MS = 3000;
const TYPING_MS = 300;
const STATES = ["pending", "reprocessing", "resolved", "discarded"];
const TYPES = ["transient", "permanent", "poison"];
const TYPE_KINDS = ["warn", "bad", "poison"];
const SPANS = [["24", "24 hours"], ["72", "3 days"], ["168", "7 days"]];
const TIMES = [["", "any time"], ["3600", "last hour"], ["86400", "last 24 hours"], ["604800", "last 7 days"], ["own", "from … to …"]];
const PER_PAGE = ["25", "50", "100", "500"];

/* datetime-local has no zone: it is the reader's. */
function toLocal(time) {
	if (!time) {
		return "";
	}
	const date = new Date(time);
	return Number.isNaN(date.getTime()) ? "" : new Date(date.getTime() - date.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

function fromLocal(text) {
	return text ? new Date(text).toISOString() : "";
}

export class Letters {
	constructor() {
		this.name = "dead-letters";
		this.title = "Dead letters";
		this.params = {};
		this.hours = "24";
		this.poll = new Poll(POLL_MS, () => this.look());
		this.jobs = new Jobs(() => this.reload());
		this.rules = new Rules();
		this.chart = new BarChart("Came in, by the hour", TYPES.map((name, i) => ({ name, kind: TYPE_KINDS[i] })), count, { click: (i) => this.chooseHour(i) });
		this.table = new LetterTable((id) => go([...PATH, id]), () => this.showChosen());
		this.makeCards();
		this.makeFilters();
		this.makeActions();
		const span = select(SPANS, this.hours, (value) => { this.hours = value; this.poll.hurry(); });
		span.setAttribute("aria-label", "Time shown in the chart");
		this.root = el("div", { class: "page" },
			el("div", { class: "page-head" }, el("h1", { tabindex: "-1", text: "Dead letters" }), this.about = el("p", { class: "about" })),
			el("div", { class: "tiles" }, Object.values(this.cards).map((card) => card.root)),
			section("Over time", [span], this.chart.root),
			this.jobs.root,
			section("Letters", [], this.filters, this.actions, this.table.root, this.pager),
			this.rules.root);
	}

	/* ---- cards: how many in each state; a click shows those */

	makeCards() {
		this.cards = Object.fromEntries(STATES.map((state) => {
			const value = el("b", { text: "–" });
			const root = el("button", { type: "button", class: "tile", "aria-pressed": "false", on: { click: () => this.set({ status: this.params.status === state ? "" : state }) } },
				el("span", { text: state }), value);
			return [state, { root, value }];
		}));
	}

	/* ---- filters: they live in the address */

	makeFilters() {
		this.search = el("input", { type: "search", placeholder: "error, id, user, key", maxlength: "200", on: { input: () => this.typed() } });
		this.stream = select([["", "all streams"]], "", (stream) => this.set({ stream }));
		this.status = select([["", "any state"], ...STATES.map((s) => [s, s])], "", (status) => this.set({ status }));
		this.type = select([["", "any type"], ...TYPES.map((t) => [t, t])], "", (type) => this.set({ error_type: type }));
		this.time = select(TIMES, "", (value) => this.chooseTime(value));
		this.after = el("input", { type: "datetime-local", on: { change: () => this.set({ since: "", after: fromLocal(this.after.value) }) } });
		this.before = el("input", { type: "datetime-local", on: { change: () => this.set({ since: "", before: fromLocal(this.before.value) }) } });
		this.own = [field("From", this.after), field("To", this.before)];
		this.filters = el("div", { class: "filters", role: "search" }, field("Search", this.search), field("Stream", this.stream), field("State", this.status),
			field("Error type", this.type), field("Came", this.time), this.own,
			this.job = el("span", { class: "about" }),
			this.clear = button("Clear", () => this.set({ q: "", job: "", stream: "", status: "", error_type: "", since: "", after: "", before: "" }), "plain"));
	}

	typed() {
		clearTimeout(this.typing);
		this.typing = setTimeout(() => this.set({ q: this.search.value.trim() }), TYPING_MS);
	}

	chooseTime(value) {
		if (value === "own") {
			this.isOwn = true;
			this.showFilters();
			this.after.focus();
			return;
		}
		this.isOwn = false;
		this.set({ since: value, after: "", before: "" });
	}

	chooseHour(index) {
		const from = Date.parse(this.columns[index].hour);
		this.set({ since: "", after: new Date(from).toISOString(), before: new Date(from + 3600000).toISOString() });
	}

	set(changes) {
		amend(PATH, { ...this.params, page: "", ...changes });
	}

	showFilters() {
		const p = this.params;
		const isOwn = Boolean(p.after || p.before || this.isOwn);
		if (document.activeElement !== this.search) {
			this.search.value = p.q ?? "";
		}
		this.job.hidden = !p.job;
		setText(this.job, `of the job ${shortId(p.job)}`);
		this.clear.hidden = Object.keys(this.filter()).length === 0;
		this.stream.value = p.stream ?? "";
		this.status.value = p.status ?? "";
		this.type.value = p.error_type ?? "";
		this.time.value = isOwn ? "own" : p.since ?? "";
		this.after.value = toLocal(p.after);
		this.before.value = toLocal(p.before);
		this.own.forEach((node) => { node.hidden = !isOwn; });
		STATES.forEach((state) => this.cards[state].root.setAttribute("aria-pressed", String(p.status === state)));
	}

	/* What the API is asked for; "last hour" begins an hour before now. */
	filter() {
		const { stream, status, error_type, q, job, before } = this.params;
		const after = this.params.since ? new Date(Date.now() - Number(this.params.since) * 1000).toISOString() : this.params.after;
		return Object.fromEntries(Object.entries({ stream, status, error_type, q, job, after, before }).filter(([, value]) => value));
	}

	/* ---- pages */

	makeActions() {
		this.chosen = el("span", { class: "chosen", role: "status" });
		this.takeAll = button("", () => { this.isAll = true; this.showChosen(); }, "plain");
		this.drop = button("Clear selection", () => this.unchoose(), "plain");
		this.again = button("Send again…", () => this.decide("reprocess"), "primary");
		this.discard = button("Discard…", () => this.decide("discard"), "danger");
		this.actions = el("div", { class: "actions", role: "group", "aria-label": "What is to become of them" }, this.chosen, this.takeAll, this.drop, el("span", { class: "grow" }),
			this.again, this.discard);
		this.where = el("span", { role: "status" });
		this.back = button("Previous", () => this.turn(-1));
		this.forth = button("Next", () => this.turn(1));
		this.perPage = select(PER_PAGE.map((n) => [n, `${n} a page`]), "50", (per_page) => this.set({ per_page }));
		this.perPage.setAttribute("aria-label", "Letters a page");
		this.pager = el("nav", { class: "pager", "aria-label": "Pages of letters" }, this.where, this.perPage, this.back, this.forth);
	}

	turn(by) {
		this.isAll = false;
		amend(PATH, { ...this.params, page: String(this.page + by) });
		this.table.root.scrollIntoView({ block: "nearest" });
	}

	get page() {
		return Math.max(1, Number.parseInt(this.params.page, 10) || 1);
	}

	show(params) {
		const old = JSON.stringify({ ...this.params, page: "", per_page: "" });
		this.params = params;
		if (JSON.stringify({ ...params, page: "", per_page: "" }) !== old) {
			this.unchoose();
		}
		this.perPage.value = params.per_page ?? "50";
		this.showFilters();
		this.poll.start();
		this.isStale = true;
		this.poll.hurry();
	}

	hide() {
		this.poll.stop();
		clearTimeout(this.typing);
	}

	reload() {
		this.isStale = true;
		this.poll.hurry();
	}

	/* ---- asking */

	async look() {
		try {
			await Promise.all([this.lookAtStats(), this.jobs.look(), this.rules.look(), this.lookAtList()]);
			setText(this.about, this.aboutText);
		} catch (problem) {
			setText(this.about, problem.message);
			throw problem;
		}
	}

	async lookAtStats() {
		const stats = await get("dlq/stats", { hours: this.hours });
		const { max_messages: most, retention_seconds: kept } = stats.limits;
		const dropped = stats.dropped.max_messages + stats.dropped.retention;
		STATES.forEach((state) => setText(this.cards[state].value, count(stats.status[state] ?? 0)));
		this.aboutText = `${bytes(stats.bytes)} on disk; ${count(most)} messages are kept, for ${duration(kept)}${stats.oldest_pending_at ? `; the oldest came ${ago(stats.oldest_pending_at)}` : ""}${dropped > 0 ? `; ${plural(dropped, "letter")} dropped by these limits` : ""}`;
		setOptions(this.stream, [["", "all streams"], ...stats.streams.map((s) => [s.stream, `${s.stream} (${s.pending})`])], this.params.stream ?? "");
		this.drawHours(stats.hourly);
	}

	drawHours(hourly) {
		const now = Math.floor(Date.now() / 3600000) * 3600000;
		const hours = Number(this.hours);
		this.columns = Array.from({ length: hours }, (_, i) => {
			const at = new Date(now - (hours - 1 - i) * 3600000).toISOString();
			return { hour: at, title: hourOf(at), values: TYPES.map(() => 0) };
		});
		for (const { date_hour: at, error_type: type, count: n } of hourly) {
			const column = this.columns[hours - 1 - Math.round((now - Date.parse(at)) / 3600000)];
			const i = TYPES.indexOf(type);
			if (column && i >= 0) {
				column.values[i] += n;
			}
		}
		this.chart.update(this.columns, `in ${SPANS.find(([h]) => h === this.hours)[1]}`);
	}

	/* While somebody works with the list it stays as it is: rows that move away under a hand are worse than old ones. */
	async lookAtList() {
		if (!this.isStale && (this.table.chosen.size > 0 || this.isAll || this.table.isInUse())) {
			return;
		}
		this.isStale = false;
		const asked = (this.asked = {});
		const answer = await get("dlq/messages", { ...this.filter(), page: this.page, per_page: this.perPage.value });
		if (asked === this.asked) {
			this.showList(answer);
		}
	}

	showList({ messages, total, page, per_page: perPage }) {
		const pages = Math.max(1, Math.ceil(total / perPage));
		if (page > pages) {
			amend(PATH, { ...this.params, page: String(pages) });
			return;
		}
		this.total = total;
		this.table.empty.textContent = Object.keys(this.filter()).length > 0 ? "No dead letter fits." : "No dead letters. Everything was delivered.";
		this.table.update(messages);
		const from = (page - 1) * perPage;
		setText(this.where, messages.length > 0 ? `${count(from + 1)}–${count(from + messages.length)} of ${count(total)}` : "none");
		this.back.disabled = page <= 1;
		this.forth.disabled = page >= pages;
		this.showChosen();
	}

	/* ---- choosing, deciding */

	unchoose() {
		this.isAll = false;
		this.table.choose([]);
	}

	showChosen() {
		const n = this.table.chosen.size;
		const isAny = this.isAll || n > 0;
		if (n === 0) {
			this.isAll = false;
		}
		setText(this.chosen, this.isAll ? `All ${count(this.total)} that fit` : n > 0 ? `${count(n)} chosen` : "Choose letters, with the mouse or the space bar");
		setText(this.takeAll, `Choose all ${count(this.total)} that fit`);
		this.takeAll.hidden = this.isAll || n === 0 || n >= this.total;
		this.drop.hidden = !isAny;
		this.again.disabled = this.discard.disabled = !isAny;
		this.table.root.classList.toggle("all", Boolean(this.isAll));
	}

	/* All that fit means those that are there now: what comes while somebody reads the question is not theirs to decide. */
	async what() {
		if (!this.isAll) {
			return { message_ids: [...this.table.chosen] };
		}
		const filter = this.filter();
		try {
			return { filter: { ...filter, before: filter.before ?? (await get("status")).time } };
		} catch (problem) {
			notices.tell(problem.message, "bad");
			return null;
		}
	}

	async decide(kind) {
		const n = this.isAll ? this.total : this.table.chosen.size;
		const what = await this.what();
		if (!what) {
			return;
		}
		const name = plural(n, "dead letter");
		const answer = await decide(kind, what, kind === "discard" ? `Discard ${name}?` : `Send ${name} again?`);
		if (answer) {
			notices.tell(outcome(kind, answer));
			this.unchoose();
			this.reload();
		}
	}
}
