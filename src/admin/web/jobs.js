/*
 * What is being sent again: jobs with their progress, each of which can be cancelled; and the rules by which the server does it by itself.
 */
import { get, remove } from "./api.js";
import { askWhy } from "./decide.js";
import { button, el, pill, section } from "./dom.js";
import { ago, count, duration, line, NOTHING, plural, shortId, when } from "./format.js";
import { notices } from "./notice.js";
import { href } from "./route.js";
import { Table } from "./table.js";

const SHOWN = 8; /* the rest is history */
const JOB_KIND = { running: "busy", done: "good", cancelled: "soft" };

function finished(job) {
	return job.delivered + job.failed + job.cancelled;
}

function progressText(job) {
	const parts = [`${count(job.delivered)} of ${count(job.total)} delivered`];
	if (job.failed > 0) {
		parts.push(`${count(job.failed)} failed again`);
	}
	if (job.cancelled > 0) {
		parts.push(`${count(job.cancelled)} cancelled`);
	}
	return parts.join(", ");
}

function paceText(job) {
	const parts = [];
	if (job.rate > 0) {
		parts.push(`${count(job.rate)} a second`);
	}
	if (job.batch > 0 && job.delay_ms > 0) {
		parts.push(`batches of ${count(job.batch)}, ${duration(job.delay_ms / 1000)} apart`);
	}
	return parts.join("; ") || "as fast as it goes";
}

export class Jobs {
	/* moved(): a job delivered something since the last look. */
	constructor(moved) {
		this.moved = moved;
		this.before = "";
		this.table = new Table("Jobs", [
			{ title: "Begun", text: (j) => ago(j.created_at), show: (j, text) => el("time", { datetime: j.created_at, title: when(j.created_at), text }) },
			{ title: "State", text: (j) => j.state, show: (j, text) => pill(text, JOB_KIND[text] ?? "soft") },
			{ title: "Progress", className: "wide", text: (j) => `${progressText(j)}|${j.state}`, show: (j) => this.showProgress(j, progressText(j)) },
			{ title: "By", text: (j) => line(j.operator || NOTHING, 60), show: (j, text) => el("bdi", { text }) },
			{ title: "Reason", className: "wide", text: (j) => line(j.reason || NOTHING, 120), show: (j, text) => el("bdi", { text }) },
			{ title: "Pace", text: paceText },
			{ title: "", className: "does", text: (j) => j.state, show: (j) => this.showCancel(j) },
		], (j) => j.id, "");
		this.root = section("Sent again", [], this.table.root);
		this.root.hidden = true;
	}

	showProgress(job, text) {
		const bar = el("progress", { max: String(Math.max(1, job.total)), "aria-label": `Job ${shortId(job.id)}` });
		bar.value = finished(job);
		return el("span", { class: "progress" }, bar, el("a", { href: href(["dead-letters"], { job: job.id }), text, title: "Show its letters" }));
	}

	showCancel(job) {
		return job.state === "running" ? button("Cancel…", () => this.cancel(job), "small") : el("span");
	}

	async cancel(job) {
		const why = await askWhy("Cancel this job?", "Letters that are on their way this moment still arrive; the others are pending again.", "Cancel the job");
		if (!why) {
			return;
		}
		try {
			const { cancelled } = await remove(`dlq/jobs/${encodeURIComponent(job.id)}`, why);
			notices.tell(`The job is cancelled: ${plural(cancelled, "letter")} pending again.`);
			this.moved();
		} catch (problem) {
			notices.tell(problem.message, "bad");
		}
	}

	async look() {
		const { jobs } = await get("dlq/jobs");
		const sorted = [...jobs].sort((a, b) => (b.state === "running") - (a.state === "running") || Date.parse(b.created_at) - Date.parse(a.created_at));
		const now = JSON.stringify(jobs.map((j) => [j.id, j.state, finished(j)]));
		this.root.hidden = jobs.length === 0;
		this.table.update(sorted.slice(0, SHOWN));
		if (this.before !== "" && now !== this.before) {
			this.moved();
		}
		this.before = now;
	}
}

export class Rules {
	constructor() {
		this.table = new Table("Rules", [
			{ title: "Errors that fit", className: "mono strong wide", text: (r) => r.pattern },
			{ title: "Stream", text: (r) => r.stream || "all" },
			{ title: "Type", text: (r) => r.error_type || "all" },
			{ title: "Waits", className: "number", text: (r) => duration(r.wait_seconds) },
			{ title: "At most", className: "number", text: (r) => plural(r.max, "time") },
			{ title: "Batch", className: "number", text: (r) => count(r.batch) },
			{ title: "Fitted", className: "number", text: (r) => count(r.matched) },
			{ title: "Sent again", className: "number", text: (r) => count(r.reprocessed) },
			{ title: "Last", text: (r) => ago(r.last_run_at) },
		], (r) => r.index, "");
		this.none = el("p", { class: "about", text: "No rules: nothing is sent again by itself. See the directive dlq." });
		this.root = section("Rules", [], this.none, this.table.root);
	}

	async look() {
		const { rules } = await get("dlq/rules");
		this.none.hidden = rules.length > 0;
		this.table.root.hidden = rules.length === 0;
		this.table.update(rules.map((rule, index) => ({ ...rule, index })));
	}
}
