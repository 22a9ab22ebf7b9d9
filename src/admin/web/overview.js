/*
 * The first page: is all well, what moves, what waits, who works. Charts come from the counts that main.js asks for; the tables ask by
 * themselves.
 */
import { get } from "./api.js";
import { LineChart } from "./chart.js";
import { el, pill, section, setText } from "./dom.js";
import { ago, bytes, count, decimal, duration, fault, line, milliseconds, NOTHING, plural, shortId, when } from "./format.js";
import { Poll } from "./poll.js";
import { KEPT_MS } from "./rates.js";
import { href } from "./route.js";
import { Table } from "./table.js";

const POLL_MS = 3000;
const DELIVERIES = 20; /* shown */
const STREAMS_ASKED = 8; /* for their deliveries, at a time */

const STREAM_KIND = { ok: "good", away: "warn", held: "bad", full: "bad", failed: "bad", unknown: "soft" };
const PROCESS_KIND = { running: "good", stopping: "soft", stuck: "bad", missing: "bad" };
const DELIVERY_KIND = { success: "good", retry: "warn", failed: "bad", held: "warn", purged: "soft" };
const BREAKER_KIND = { closed: "good", open: "bad", half_open: "warn", unknown: "soft" };

/* A figure with what it is about. */
class Tile {
	constructor(title, link) {
		this.value = el("b", { text: NOTHING });
		this.note = el("small", { text: " " });
		this.root = el(link ? "a" : "div", { class: "tile", href: link }, el("span", { text: title }), this.value, this.note);
	}

	set(value, note, kind = "") {
		setText(this.value, value);
		setText(this.note, note || " ");
		this.root.className = `tile ${kind}`;
	}
}

function breakerText(s) {
	return s.breaker === "half_open" ? "half-open" : s.breaker;
}

export class Overview {
	constructor(rates) {
		this.name = "overview";
		this.title = "Overview";
		this.rates = rates;
		this.poll = new Poll(POLL_MS, () => this.look());
		this.makeTiles();
		this.makeCharts();
		this.makeTables();
		this.root = el("div", { class: "page" },
			el("div", { class: "page-head" }, el("h1", { tabindex: "-1", text: "Overview" }), this.about = el("p", { class: "about" })),
			el("div", { class: "tiles" }, Object.values(this.tiles).map((tile) => tile.root)),
			el("div", { class: "charts" }, Object.values(this.charts).map((chart) => chart.root)),
			section("Streams", [], this.streams.root),
			section("Processes", [], this.processes.root),
			section("Recent deliveries", [this.deliveriesNote = el("p", { class: "about" })], this.deliveries.root));
	}

	makeTiles() {
		this.tiles = {
			requests: new Tile("Requests a second"),
			errors: new Tile("Errors"),
			latency: new Tile("Latency p95"),
			backlog: new Tile("Waiting for delivery"),
			letters: new Tile("Dead letters", href(["dead-letters"])),
			processes: new Tile("Processes"),
		};
	}

	makeCharts() {
		this.charts = {
			requests: new LineChart("Requests a second", [{ name: "answered", kind: "one" }, { name: "refused (4xx)", kind: "warn" }, { name: "failed (5xx)", kind: "bad" }], decimal, KEPT_MS),
			latency: new LineChart("Latency", [{ name: "p50", kind: "one" }, { name: "p95", kind: "two" }, { name: "p99", kind: "three" }], milliseconds, KEPT_MS, { least: 5 }),
			bytes: new LineChart("Traffic", [{ name: "received a second", kind: "one" }, { name: "sent a second", kind: "two" }], bytes, KEPT_MS, { least: 1024, units: 1024 }),
		};
	}

	makeTables() {
		this.streams = new Table("Streams", [
			{ title: "Stream", className: "strong", text: (s) => s.name, show: (s, text) => el("span", {}, text, " ", el("small", { text: s.mode })) },
			{ title: "State", text: (s) => s.status, show: (s, text) => pill(text, STREAM_KIND[text] ?? "soft") },
			{ title: "Destination", className: "wide", text: (s) => line(s.sink) },
			{ title: "In a second", className: "number", text: (s) => decimal(this.rates.points.at(-1)?.streams.get(s.name)?.records) },
			{ title: "Backlog", className: "number", text: (s) => `${plural(s.waiting_records, "record")}, ${bytes(s.spool_bytes)}${s.retrying > 0 ? `, ${count(s.retrying)} retried` : ""}` },
			{ title: "Oldest", className: "number", text: (s) => (s.oldest ? duration(s.oldest_seconds) : NOTHING) },
			{ title: "Dead letters", className: "number", text: (s) => count(s.dead_letters.pending), show: (s, text) => (text === "0" ? el("span", { text }) : el("a", { href: href(["dead-letters"], { stream: s.name, status: "pending" }), text })) },
			{ title: "Breaker", text: (s) => `${breakerText(s)}|${s.last_error ?? ""}`, show: (s) => this.showBreaker(s), className: "wide" },
		], (s) => s.name, "No streams are configured.");
		this.processes = new Table("Processes", [
			{ title: "Process", className: "strong", text: (p) => `${p.role} ${p.slot}`, show: (p) => el("span", {}, p.role, " ", el("small", { text: `slot ${p.slot}` })) },
			{ title: "State", className: "wide", text: (p) => `${p.status}|${p.error ?? ""}`, show: (p) => el("span", {}, pill(p.status, PROCESS_KIND[p.status] ?? "soft"), p.error && el("span", { class: "why", text: line(p.error) })) },
			{ title: "Process id", className: "number", text: (p) => p.pid ?? NOTHING },
			{ title: "Heartbeat", className: "number", text: (p) => (p.heartbeat_age_seconds === null ? NOTHING : `${p.heartbeat_age_seconds.toFixed(1)} s ago`) },
			{ title: "Up", className: "number", text: (p) => duration(p.uptime_seconds) },
			{ title: "Restarts", className: "number", text: (p) => count(p.restarts) },
			{ title: "Connections", className: "number", text: (p) => (p.role === "worker" ? `${count(p.connections)} (${count(p.active)} busy)` : NOTHING) },
		], (p) => `${p.role} ${p.slot}`, "No processes.");
		this.deliveries = new Table("Recent deliveries", [
			{ title: "When", text: (d) => ago(d.created_at), show: (d, text) => el("time", { datetime: d.created_at, title: when(d.created_at), text }) },
			{ title: "Stream", className: "strong", text: (d) => d.stream },
			{ title: "Result", text: (d) => d.status, show: (d, text) => pill(text, DELIVERY_KIND[text] ?? "soft") },
			{ title: "Attempt", className: "number", text: (d) => count(d.attempt) },
			{ title: "Took", className: "number", text: (d) => milliseconds(d.processing_time_ms) },
			{ title: "Error", className: "wide", text: (d) => (d.error_message ? fault(d.error_status, d.error_message) : NOTHING) },
			{ title: "Message", className: "mono", text: (d) => d.message_id, show: (d, text) => el("span", { title: text, text: shortId(text) }) },
			{ title: "Trace", className: "mono", text: (d) => d.trace_id ?? NOTHING, show: (d, text) => el("span", { title: text, text: shortId(text) }) },
		], (d) => `${d.message_id} ${d.attempt} ${d.created_at} ${d.status}`, "Nothing was delivered message by message yet.");
	}

	showBreaker(s) {
		return el("span", {}, pill(breakerText(s), BREAKER_KIND[s.breaker] ?? "soft"), s.last_error && el("span", { class: "why", text: line(s.last_error) }));
	}

	show() {
		this.isShown = true;
		this.poll.start();
	}

	hide() {
		this.isShown = false;
		this.poll.stop();
	}

	/* ---- from main.js */

	see(status) {
		const last = this.rates.points.at(-1);
		const { running, stuck, missing, workers, workers_wanted: wanted } = status.processes;
		const { held, spool_bytes: waiting, waiting_records: records } = status.streams;
		const letters = status.dead_letters;
		setText(this.about, `Version ${status.version}, up ${duration(status.uptime_seconds)}, configuration ${status.configuration}, ${line(status.state_dir)}`);
		this.tiles.processes.set(count(running), stuck + missing > 0 ? `${stuck} stuck, ${missing} missing` : `${workers} of ${wanted} workers`, stuck + missing > 0 ? "bad" : "");
		this.tiles.backlog.set(bytes(waiting), held > 0 ? `${plural(held, "stream")} held up` : plural(records, "record"), held > 0 ? "warn" : "");
		this.tiles.letters.set(count(letters.pending), letters.reprocessing > 0 ? `${count(letters.reprocessing)} on the way again` : letters.pending > 0 ? "wait for a decision" : "none waits for a decision", letters.pending > 0 ? "warn" : "");
		if (last) {
			const failing = last.total > 0 ? (100 * last.server) / last.total : 0;
			this.tiles.requests.set(decimal(last.total), `${plural(status.connections.open, "connection")} open`);
			this.tiles.errors.set(`${decimal(failing)} %`, `${decimal(last.client)} refused a second`, failing > 5 ? "bad" : "");
			this.tiles.latency.set(milliseconds(last.p95 === null ? null : last.p95 * 1000), `median ${milliseconds(last.p50 === null ? null : last.p50 * 1000)}`);
		}
		if (this.isShown) {
			this.drawCharts();
		}
	}

	drawCharts() {
		const points = this.rates.points;
		const ms = (s) => (s === null ? null : s * 1000);
		this.charts.requests.update(points.map((p) => ({ t: p.t, values: [p.good, p.client, p.server] })));
		this.charts.latency.update(points.map((p) => ({ t: p.t, values: [ms(p.p50), ms(p.p95), ms(p.p99)] })));
		this.charts.bytes.update(points.map((p) => ({ t: p.t, values: [p.received, p.sent] })));
	}

	/* ---- its own */

	async look() {
		const [{ streams }, { workers }] = await Promise.all([get("streams"), get("workers")]);
		this.streams.update(streams);
		this.processes.update(workers);
		await this.lookAtDeliveries(streams.filter((s) => s.mode === "message").map((s) => s.name));
	}

	/* The newest of the streams that deliver message by message; those of bundles are in the table of streams. */
	async lookAtDeliveries(names) {
		const asked = names.slice(0, STREAMS_ASKED);
		try {
			const answers = await Promise.all(asked.map((stream) => get("deliveries", { stream, limit: DELIVERIES })));
			const all = answers.flatMap((answer) => answer.deliveries);
			all.sort((a, b) => Date.parse(b.created_at) - Date.parse(a.created_at));
			this.deliveries.update(all.slice(0, DELIVERIES));
			setText(this.deliveriesNote, names.length > asked.length ? `of the first ${asked.length} streams` : "");
		} catch (problem) {
			setText(this.deliveriesNote, problem.message);
		}
	}
}
