/*
 * The question before dead letters are sent again or discarded: how many that is about (asked of the server by a dry run, anew whenever an answer could
 * change it), who decides and why, and how fast. Nothing happens before the button at its end.
 */
import { post, remove } from "./api.js";
import { ask, choices } from "./dialog.js";
import { check, el, field, select, setText } from "./dom.js";
import { count, line, plural, shortId } from "./format.js";

const SKIPPED_SHOWN = 5;
const NAME_HINT = "Your name, for the record. Without it the key's name stands there.";
const STARTS = [["", "now"], ["60s", "in a minute"], ["600s", "in 10 minutes"], ["3600s", "in an hour"]];

/* Who decided last time is who decides next, mostly; kept as long as the page is. */
let operator = "";

const KINDS = {
	reprocess: { verb: "Send", again: " again", done: "will be sent again", kind: "primary", send: (body) => post("dlq/reprocess", body) },
	discard: { verb: "Discard", again: "", done: "will be discarded", kind: "danger", send: (body) => remove("dlq/discard", body) },
};

class Decision {
	/* what: {message_ids} or {filter}. */
	constructor(kind, what, settle) {
		this.how = KINDS[kind];
		this.isSending = kind === "reprocess";
		this.what = what;
		this.settle = settle;
		this.makeFields();
		const { go, row } = choices(settle, this.how.verb + this.how.again, this.how.kind);
		this.go = go;
		this.root = el("form", { on: { submit: (event) => this.submit(event) } },
			el("div", { class: "counted", role: "status" }, this.counted, this.skipped),
			field("Operator", this.operator, NAME_HINT),
			field("Reason", this.reason),
			check("Force", this.force, this.isSending ? "Also what is poison, resolved or discarded." : "Also what is being sent again and is not on its way this moment."),
			this.isSending && this.makePace(), this.problem, row);
		this.dryRun();
	}

	makeFields() {
		this.operator = el("input", { type: "text", maxlength: "128", autocomplete: "off" });
		this.operator.value = operator;
		this.reason = el("textarea", { rows: "2", maxlength: "500", required: true, data: { first: "" } });
		this.force = el("input", { type: "checkbox", on: { change: () => this.dryRun() } });
		this.counted = el("p", { text: "Counting…" });
		this.skipped = el("ul", { class: "skipped", hidden: true });
		this.problem = el("p", { class: "problem", role: "alert" });
	}

	makePace() {
		const number = (max) => el("input", { type: "number", min: "1", max, inputmode: "numeric" });
		this.rate = number("100000");
		this.batch = number("10000");
		this.delay = el("input", { type: "number", min: "0", max: "86400", step: "any", inputmode: "decimal" });
		this.start = select(STARTS, "");
		return el("details", { class: "pace" }, el("summary", { text: "Pace" }),
			el("div", { class: "fields" }, field("At most, a second", this.rate), field("Begin", this.start),
				field("Entries a batch", this.batch), field("Pause after a batch, seconds", this.delay)));
	}

	body(isDry) {
		const body = { ...this.what, operator: this.operator.value.trim(), reason: this.reason.value.trim(), force: this.force.checked, dry_run: isDry };
		if (this.isSending && !isDry) {
			Object.assign(body, this.rate.value && { rate: Number(this.rate.value) }, this.batch.value && { batch: Number(this.batch.value) },
				this.delay.value && { delay: `${Number(this.delay.value)}s` }, this.start.value && { override_delay: this.start.value });
		}
		return body;
	}

	async dryRun() {
		const asked = (this.asked = {});
		this.go.disabled = true;
		setText(this.counted, "Counting…");
		this.showSkipped([], 0);
		try {
			const answer = await this.how.send(this.body(true));
			if (asked === this.asked) {
				this.showCounts(answer);
			}
		} catch (problem) {
			if (asked === this.asked) {
				this.showRefusal(problem);
			}
		}
	}

	showCounts(answer) {
		const n = answer.accepted ?? answer.discarded;
		setText(this.counted, `${plural(answer.matched, "dead letter fits", "dead letters fit")}: ${count(n)} ${this.how.done}${answer.skipped_count > 0 ? `, ${count(answer.skipped_count)} cannot be:` : "."}`);
		this.showSkipped(answer.skipped, answer.skipped_count);
		setText(this.go, `${this.how.verb} ${count(n)}${this.how.again}`);
		this.go.disabled = n === 0;
	}

	/* All were refused, each for a reason; or the question itself was. */
	showRefusal(problem) {
		setText(this.counted, problem.message);
		const told = problem.answer?.skipped ?? [];
		const skipped = told.length > 1 ? told : []; /* of one alone, the answer says why already */
		this.showSkipped(skipped, problem.answer?.skipped_count ?? skipped.length);
	}

	showSkipped(skipped, all) {
		const shown = skipped.slice(0, SKIPPED_SHOWN);
		const rest = all - shown.length;
		this.skipped.hidden = shown.length === 0;
		this.skipped.replaceChildren(...shown.map((s) => el("li", {}, el("code", { text: shortId(s.id) }), ` ${line(s.error)}`)),
			...(rest > 0 ? [el("li", { text: `and ${count(rest)} more` })] : []));
	}

	async submit(event) {
		event.preventDefault();
		if (this.reason.value.trim() === "") {
			setText(this.problem, "A reason is needed: it stays with each of them.");
			this.reason.focus();
			return;
		}
		this.go.disabled = true;
		setText(this.problem, "");
		operator = this.operator.value.trim();
		try {
			this.settle(await this.how.send(this.body(false)));
		} catch (problem) {
			setText(this.problem, problem.message);
			this.go.disabled = false;
		}
	}
}

/* Who and why, for a decision that needs no counting: {operator, reason}, or null. */
export function askWhy(title, text, yes) {
	return ask(title, (settle) => {
		const name = el("input", { type: "text", maxlength: "128", autocomplete: "off" });
		const reason = el("textarea", { rows: "2", maxlength: "500", data: { first: "" } });
		const submit = (event) => {
			event.preventDefault();
			operator = name.value.trim();
			settle({ operator, reason: reason.value.trim() });
		};
		name.value = operator;
		return el("form", { on: { submit } }, el("p", { text }), field("Operator", name, NAME_HINT), field("Reason", reason), choices(settle, yes, "danger").row);
	});
}

/* kind: "reprocess" or "discard". The server's answer, or null if nothing was decided. */
export function decide(kind, what, title) {
	return ask(title, (settle) => new Decision(kind, what, settle).root);
}

/* The answer in words. */
export function outcome(kind, answer) {
	const skipped = answer.skipped_count > 0 ? `, ${count(answer.skipped_count)} skipped` : "";
	return kind === "discard"
		? `${plural(answer.discarded, "dead letter")} discarded${skipped}.`
		: `${plural(answer.accepted, "dead letter")} on the way again${skipped}.`;
}
