/*
 * Rate limits: whether they can be checked, what they let through and what not, who asks most, and forgetting what is known of somebody.
 */
import { get, remove } from "./api.js";
import { LineChart } from "./chart.js";
import { confirm } from "./dialog.js";
import { button, el, field, pill, section, setText } from "./dom.js";
import { ago, bytes, count, decimal, duration, line, NOTHING, plural } from "./format.js";
import { notices } from "./notice.js";
import { Poll } from "./poll.js";
import { KEPT_MS, rate } from "./rates.js";
import { Table } from "./table.js";

const POLL_MS = 2000;
const TOP = 100;
const TOP_MAX = 1000;
const REFUSED = ["limited", "penalty"];
const KINDS = [["", "All"], ["address", "Addresses"], ["user", "Users"], ["key", "Keys"], ["global", "All together"]];
const STORE = { ok: ["good", "working"], off: ["soft", "off: nothing is limited"], unusable: ["bad", "unusable: limits cannot be checked"] };

/* "ratelimit:<endpoint>:<client>": an endpoint may hold colons, and so may an address; what a client looks like decides. */
function kindOf(key) {
	if (/:user:[^:]*$/.test(key) || key.includes(":user:")) {
		return "user";
	}
	return key.includes(":key:") ? "key" : key.endsWith(":global") ? "global" : "address";
}

/* As the server takes it: * stands for anything. */
function fits(pattern, key) {
	const parts = pattern.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
	return new RegExp(`^${parts.join("[^]*")}$`).test(key);
}

function limitText(l) {
	const period = l.period === 1 ? "second" : l.period === 60 ? "minute" : l.period === 3600 ? "hour" : duration(l.period);
	return `${l.policy}: ${count(l.count)} a ${period}${l.window === "sliding" ? ", never more" : l.limit === l.count ? "" : `, ${count(l.limit)} at once`}`;
}

export class Limits {
	constructor() {
		this.name = "limits";
		this.title = "Limits";
		this.kind = "";
		this.before = null;
		this.points = [];
		this.poll = new Poll(POLL_MS, () => this.look());
		this.chart = new LineChart("Requests held against limits, a second", [{ name: "let through", kind: "one" }, { name: "refused", kind: "bad" }], decimal, KEPT_MS);
		this.store = el("div", { class: "tiles" });
		this.makeTables();
		this.none = el("p", { class: "note", hidden: true, text: "No rate limits are configured. See the directives limit_policy and limit." });
		this.root = el("div", { class: "page" },
			el("div", { class: "page-head" }, el("h1", { tabindex: "-1", text: "Limits" }), this.state = el("span", { class: "pills" }), this.about = el("p", { class: "about" })),
			this.none, this.store, this.chart.root,
			section("By endpoint", [], this.endpoints.root),
			section("Who asks most", [this.kinds], this.top.root),
			section("Forget", [], this.makeReset()),
			section("Policies", [], this.policies.root));
	}

	makeTables() {
		this.endpoints = new Table("Limits by endpoint", [
			{ title: "Endpoint", className: "strong", text: (e) => line(e.endpoint || "/", 80) },
			{ title: "Limit", text: (e) => line(e.policy, 80) },
			{ title: "In a second", className: "number", text: (e) => decimal(e.rate) },
			{ title: "Refused a second", className: "number", text: (e) => decimal(e.refusing), kind: (e) => (e.refusing > 0 ? "bad" : "") },
			{ title: "Let through", className: "number", text: (e) => count(e.allowed) },
			{ title: "Refused", className: "number", text: (e) => count(e.limited) },
			{ title: "Punished", className: "number", text: (e) => count(e.penalty) },
			{ title: "Bypassed", className: "number", text: (e) => count(e.bypassed) },
			{ title: "Not checked", className: "number", text: (e) => count(e.fallback), kind: (e) => (e.fallback > 0 ? "bad" : "") },
		], (e) => `${e.endpoint} ${e.policy}`, "Nothing was held against a limit yet.");
		this.top = new Table("Who asks most", [
			{ title: "Key", className: "mono wide", text: (t) => line(t.key, 200), show: (t, text) => el("bdi", { text }) },
			{ title: "Limit", text: (t) => t.policy },
			{ title: "Recent", className: "number", text: (t) => count(t.recent) },
			{ title: "Requests", className: "number", text: (t) => count(t.requests) },
			{ title: "Refused", className: "number", text: (t) => count(t.limited), kind: (t) => (t.limited > 0 ? "bad" : "") },
			{ title: "Left", className: "number", text: (t) => `${count(t.remaining)} of ${count(t.limit)}` },
			{ title: "Free again", className: "number", text: (t) => (t.retry_after > 0 ? `in ${duration(t.retry_after)}` : NOTHING) },
			{ title: "Seen", text: (t) => ago(t.seen) },
			{ title: "", className: "does", text: () => "", show: (t) => this.resetButton(t.key) },
		], (t) => `${t.key} ${t.policy}`, "Nobody yet.");
		this.policies = new Table("Policies", [
			{ title: "Policy", className: "strong", text: (p) => p.name },
			{ title: "Limits", className: "wide", text: (p) => p.limits.map(limitText).join("; ") },
			{ title: "Penalty", text: (p) => (p.penalty ? `after ${plural(p.penalty.after, "refusal")}: ${duration(p.penalty.for)}` : NOTHING) },
			{ title: "In force", className: "number", text: (p) => (p.adaptive ? `${p.scale_percent} % (by load)` : "100 %") },
		], (p) => p.name, "No policies.");
		const buttons = KINDS.map(([kind, text]) => {
			const made = button(text, () => {
				this.kind = kind;
				buttons.forEach((b) => b.setAttribute("aria-pressed", String(b === made)));
				this.showTop();
			}, "small");
			made.setAttribute("aria-pressed", String(kind === this.kind));
			return made;
		});
		this.kinds = el("div", { class: "group", role: "group", "aria-label": "Of what kind" }, buttons);
	}

	resetButton(key) {
		const made = button("Forget…", () => this.reset(key), "small");
		made.setAttribute("aria-label", `Forget ${line(key, 200)}`);
		return made;
	}

	makeReset() {
		this.pattern = el("input", { type: "text", required: true, maxlength: "255", spellcheck: "false", autocomplete: "off", placeholder: "ratelimit:usage:192.0.2.*" });
		return el("form", { class: "line-form", on: { submit: (event) => { event.preventDefault(); this.reset(this.pattern.value.trim()); } } },
			field("Keys", this.pattern, "ratelimit:<endpoint>:<client>; * stands for anything"), el("button", { type: "submit", class: "button danger", text: "Forget…" }));
	}

	show() {
		this.poll.start();
	}

	hide() {
		this.poll.stop();
		this.before = null;
		this.points = [];
	}

	async reset(pattern) {
		const answer = await get("limits", { top: TOP_MAX }).catch(() => null);
		if (!answer) {
			return; /* the banner says why */
		}
		const known = answer.top.filter((t) => fits(pattern, t.key)).length;
		const sure = await confirm("Forget what is known?", [
			`Of the keys ${pattern}: ${plural(known, "client")} of those who ask most ${known === 1 ? "fits" : "fit"}.`,
			"They begin anew with all they are allowed, punishments included.",
		], "Forget");
		if (!sure) {
			return;
		}
		try {
			const answer = await remove("limits", null, { pattern });
			notices.tell(`Forgotten: ${answer.pattern} (${plural(answer.known, "client")} known).`);
			this.poll.hurry();
		} catch (problem) {
			notices.tell(problem.message, "bad");
		}
	}

	/* ---- showing */

	async look() {
		const answer = await get("limits", { top: TOP });
		const now = performance.now();
		const seconds = this.before ? (now - this.before.at) / 1000 : 0;
		this.showStore(answer.store);
		this.showHits(answer.hits, seconds);
		this.before = { at: now, hits: new Map(answer.hits.map((h) => [JSON.stringify([h.endpoint, h.policy, h.result]), h.count])) };
		this.talkers = answer.top;
		this.showTop();
		this.policies.update(answer.policies);
		this.none.hidden = answer.store.state !== "off";
	}

	showStore(s) {
		const [kind, text] = STORE[s.state] ?? ["soft", s.state];
		const tile = (title, value, note) => el("div", { class: "tile" }, el("span", { text: title }), el("b", { text: value }), el("small", { text: note }));
		this.state.replaceChildren(pill(`store ${text}`, kind));
		this.store.replaceChildren(
			tile("Clients known", count(s.used + s.wide_used), `room for ${count(s.cells + s.wide_cells)}`),
			tile("Memory", bytes(s.bytes), "shared by all workers"),
			tile("Forgotten for room", count(s.evicted), "those seen longest ago"),
			tile("Not taken in", count(s.full), "all others were at their limits"));
	}

	showHits(hits, seconds) {
		const rows = new Map();
		for (const h of hits) {
			const key = JSON.stringify([h.endpoint, h.policy]);
			const row = rows.get(key) ?? { endpoint: h.endpoint, policy: h.policy, allowed: 0, limited: 0, penalty: 0, bypassed: 0, fallback: 0, rate: null, refusing: null };
			const moved = this.before ? rate(h.count, this.before.hits.get(JSON.stringify([h.endpoint, h.policy, h.result])) ?? 0, seconds) : null;
			row[h.result] = (row[h.result] ?? 0) + h.count;
			if (moved !== null) {
				row.rate = (row.rate ?? 0) + moved;
				row.refusing = (row.refusing ?? 0) + (REFUSED.includes(h.result) ? moved : 0);
			}
			rows.set(key, row);
		}
		this.endpoints.update([...rows.values()]);
		this.draw([...rows.values()]);
	}

	draw(rows) {
		if (!this.before) {
			return;
		}
		const sum = (of) => rows.reduce((all, row) => all + (of(row) ?? 0), 0);
		this.points.push({ t: Date.now(), values: [sum((r) => r.rate - r.refusing), sum((r) => r.refusing)] });
		this.points = this.points.filter((p) => Date.now() - p.t < KEPT_MS);
		this.chart.update(this.points);
	}

	showTop() {
		this.top.update((this.talkers ?? []).filter((t) => this.kind === "" || kindOf(t.key) === this.kind));
		setText(this.about, plural(this.talkers?.length ?? 0, "client") + " in the list");
	}
}
