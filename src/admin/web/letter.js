/*
 * One dead letter: what it is, why it is here, what it holds, how it would be sent, and everything that happened to it.
 */
import { bytesOf, get } from "./api.js";
import { decide, outcome } from "./decide.js";
import { button, el, pill, section, setText } from "./dom.js";
import { ago, bytes, count, fault, milliseconds, NOTHING, plural, when } from "./format.js";
import { STATE_KIND, TYPE_KIND } from "./letter_table.js";
import { notices } from "./notice.js";
import { formsOf } from "./payload.js";
import { Poll } from "./poll.js";
import { Records } from "./records.js";
import { href } from "./route.js";

const POLL_MS = 3000;
const ERROR_MAX = 4000;
const EVENTS = {
	attempt: "Attempt", dead: "Became a dead letter", reprocess: "To be sent again", returned: "Given up again", cancelled: "Taken back",
	resolved: "Delivered", discarded: "Discarded",
};
const EVENT_KIND = { attempt: "warn", dead: "bad", reprocess: "busy", returned: "bad", cancelled: "soft", resolved: "good", discarded: "soft" };

/* A time, with how long ago that is. */
function timeText(time) {
	return time ? `${when(time)} (${ago(time)})` : NOTHING;
}

export class Letter {
	constructor() {
		this.name = "letter";
		this.title = "Dead letter";
		this.poll = new Poll(POLL_MS, () => this.look());
		this.root = el("div", { class: "page" });
		this.problem = el("p", { class: "note", role: "alert", hidden: true });
		this.inside = el("div");
		this.state = el("span", { class: "pills" });
		this.again = button("Send again…", () => this.decide("reprocess"), "primary");
		this.discard = button("Discard…", () => this.decide("discard"), "danger");
		this.root.append(
			el("nav", { class: "crumbs", "aria-label": "Way back" }, this.wayBack = el("a", { href: href(["dead-letters"]), text: "‹ Dead letters" })),
			el("div", { class: "page-head" }, this.head = el("h1", { tabindex: "-1", class: "mono", text: "…" }), this.state,
				el("span", { class: "grow" }), button("Download payload", () => this.download()), this.again, this.discard),
			this.problem, this.inside);
	}

	show(params, id) {
		if (id !== this.id) {
			this.id = id;
			this.shown = "";
			this.inside.replaceChildren();
			this.state.replaceChildren();
			this.again.disabled = this.discard.disabled = true;
		}
		setText(this.head, id);
		this.poll.start();
		this.poll.hurry();
	}

	hide() {
		this.poll.stop();
	}

	async look() {
		try {
			const letter = await get(`dlq/messages/${encodeURIComponent(this.id)}`);
			this.problem.hidden = true;
			if (letter.id !== this.id) {
				return; /* another page was opened meanwhile */
			}
			/* Only what changed is shown anew: texts that somebody reads or copies stay. */
			const text = JSON.stringify(letter);
			if (text !== this.shown) {
				this.shown = text;
				this.showLetter(letter);
			}
		} catch (problem) {
			this.problem.hidden = false;
			setText(this.problem, problem.status === 404 ? "There is no dead letter of this id (any more)." : problem.message);
			throw problem;
		}
	}

	showLetter(m) {
		this.letter = m;
		this.again.disabled = m.status === "reprocessing";
		this.discard.disabled = m.status === "discarded";
		this.state.replaceChildren(pill(m.status, STATE_KIND[m.status] ?? "soft"), pill(m.error_type, TYPE_KIND[m.error_type] ?? "soft"));
		this.inside.replaceChildren(...[
			el("div", { class: "fault", "aria-label": "Last error", role: "group" },
				el("bdi", { text: fault(m.error_status, m.error_message, ERROR_MAX) })),
			el("div", { class: "columns" },
				section("About it", [], this.facts(m)),
				section("What happened", [], m.history_left_out > 0 && el("p", { class: "note", text: `${plural(m.history_left_out, "event")} in between left out` }), this.history(m.history))),
			m.kind === "bundle" ? new Records(m.id).root : this.payload(m),
			m.kind === "message" && section("Headers as they are sent", [], this.headers(m.headers)),
		].filter(Boolean));
	}

	facts(m) {
		const rows = [
			["Stream", m.stream], ["Destination", m.destination], ["Message id", m.original_message_id, "mono"], ["Subject", m.original_subject],
			["Kind", m.kind === "bundle" ? `bundle of ${plural(m.records, "record")}` : m.kind], ["Size", `${bytes(m.size)} (${count(m.size)} bytes)`],
			["Content type", m.content_type], ["Method", m.method], ["User", m.user], ["Key", m.key, "mono"], ["Trace id", m.trace_id, "mono"],
			["traceparent", m.traceparent, "mono"], ["Attempts", `${count(m.attempts)}${m.reprocess_count > 0 ? `, ${plural(m.reprocess_count, "time")} sent again` : ""}`],
			["Taken in", timeText(m.original_created_at)], ["Dead since", timeText(m.dlq_created_at)], ["Last attempt", timeText(m.last_retry_at)],
			["Next attempt", m.next_retry_at && timeText(m.next_retry_at)], ["Decided", m.resolved_at && timeText(m.resolved_at)],
			["Decided by", m.resolved_by], ["Reason", m.reason],
		];
		return el("dl", { class: "facts" }, rows.filter(([, value]) => value).map(([name, value, kind]) =>
			[el("dt", { text: name }), el("dd", { class: kind }, el("bdi", { text: value }), kind === "mono" && this.copyButton(name, value))]));
	}

	copyButton(name, value) {
		const made = button("Copy", async () => {
			try {
				await navigator.clipboard.writeText(value);
				notices.tell(`${name} copied.`);
			} catch {
				notices.tell("The browser does not let this page copy.", "bad");
			}
		}, "plain small");
		made.setAttribute("aria-label", `Copy ${name}`);
		return made;
	}

	history(events) {
		return el("ol", { class: "history" }, events.map((e) => el("li", { class: EVENT_KIND[e.event === "attempt" && e.result === "delivered" ? "resolved" : e.event] ?? "soft" },
			el("div", {}, el("b", { text: `${EVENTS[e.event] ?? e.event}${e.event === "attempt" && e.attempt ? ` ${e.attempt}` : ""}` }),
				e.result && el("span", { text: ` ${e.result}` }),
				e.duration_ms > 0 && el("span", { text: ` after ${milliseconds(e.duration_ms)}` })),
			el("time", { datetime: e.time, title: e.time, text: timeText(e.time) }),
			(e.error || e.status) && el("p", {}, el("bdi", { text: fault(e.status, e.error, ERROR_MAX) })),
			(e.operator || e.reason) && el("p", {}, e.operator && el("bdi", { class: "who", text: e.operator }), e.reason && el("bdi", { text: ` “${e.reason}”` })))));
	}

	headers(headers) {
		const names = Object.keys(headers ?? {});
		return names.length === 0 ? el("p", { class: "empty", text: "None." })
			: el("dl", { class: "facts mono" }, names.map((name) => [el("dt", { text: name }), el("dd", {}, el("bdi", { text: headers[name] }))]));
	}

	payload(m) {
		if (m.kind === "object" || m.payload_error) {
			return section("Payload", [], el("p", { class: "note", text: m.payload_error ?? "A single object: download it to look inside." }));
		}
		const place = el("div");
		const forms = formsOf(m);
		const buttons = forms.map(([name, make], i) => button(name, () => {
			place.replaceChildren(make());
			buttons.forEach((b, k) => b.setAttribute("aria-pressed", String(k === i)));
		}, "small"));
		buttons[0].click();
		return section("Payload", [el("div", { class: "group", role: "group", "aria-label": "Form" }, buttons)],
			m.payload_truncated && el("p", { class: "note", text: `The first 64 KiB of ${bytes(m.size)}. Download it to have the whole.` }), place);
	}

	/* By a link to a copy in this browser: a link to the API could carry no key. */
	async download() {
		try {
			const url = URL.createObjectURL(await bytesOf(`dlq/payload/${encodeURIComponent(this.id)}`));
			const link = el("a", { href: url, download: `${this.id}${this.letter?.kind === "bundle" ? ".gz" : ""}` });
			link.click();
			setTimeout(() => URL.revokeObjectURL(url), 60000);
		} catch (problem) {
			notices.tell(problem.message, "bad");
		}
	}

	async decide(kind) {
		const answer = await decide(kind, { message_ids: [this.id] }, kind === "discard" ? "Discard this dead letter?" : "Send this dead letter again?");
		if (answer) {
			notices.tell(outcome(kind, answer));
			this.poll.hurry();
		}
	}
}
