/*
 * From counts to what moves: two answers of /api/traffic (or of anything else that only counts up) give rates and quantiles for the time between.
 * Keeps five minutes of them for the charts. A count that went back (a new server) begins anew.
 */

const KEPT_MS = 5 * 60 * 1000;
const QUANTILES_MS = 10000; /* quantiles of so long: two seconds alone may hold two requests */

/* By difference; null where there is nothing to compare with. */
export function rate(now, before, seconds) {
	return before === undefined || before === null || !(seconds > 0) || now < before ? null : (now - before) / seconds;
}

/* buckets: [{le: seconds or null, count}], not cumulated. Seconds; null of nothing. Within a bucket all are taken to be spread evenly. */
export function quantile(q, buckets) {
	const all = buckets.reduce((sum, b) => sum + b.count, 0);
	let rest = q * all;
	let from = 0;
	if (all === 0) {
		return null;
	}
	for (const { le, count } of buckets) {
		if (le === null) {
			return from;
		}
		if (count > 0 && rest <= count) {
			return from + (le - from) * (rest / count);
		}
		rest -= count;
		from = le;
	}
	return from;
}

function sumWhere(requests, fits) {
	return requests.reduce((sum, r) => (fits(r.status) ? sum + r.count : sum), 0);
}

/* What of an answer is compared. */
function snapshot(traffic) {
	const r = traffic.requests;
	return {
		t: Date.parse(traffic.time),
		good: sumWhere(r, (status) => status < 400),
		client: sumWhere(r, (status) => status >= 400 && status < 500),
		server: sumWhere(r, (status) => status >= 500),
		buckets: traffic.duration.buckets,
		received: traffic.received_bytes,
		sent: traffic.sent_bytes,
		streams: new Map(traffic.streams.map((s) => [s.name, s])),
	};
}

function wentBack(now, before) {
	return now.t <= before.t || ["good", "client", "server", "received", "sent"].some((name) => now[name] < before[name]) ||
		now.buckets.some((b, i) => b.count < (before.buckets[i]?.count ?? 0));
}

export class Rates {
	constructor() {
		this.begin();
	}

	begin() {
		this.snapshots = [];
		this.points = []; /* {t, good, client, server, total, p50, p95, p99, received, sent, streams: Map name -> {records, bytes, rejected}} */
	}

	/* The points since are in this.points; the newest is returned, or null after the first answer. */
	add(traffic) {
		const now = snapshot(traffic);
		const before = this.snapshots.at(-1);
		if (before && now.t === before.t) {
			return this.points.at(-1) ?? null;
		}
		if (before && wentBack(now, before)) {
			this.begin();
		}
		const last = this.snapshots.at(-1);
		this.snapshots.push(now);
		while (now.t - this.snapshots[0].t > QUANTILES_MS && this.snapshots.length > 2) {
			this.snapshots.shift();
		}
		if (!last) {
			return null;
		}
		this.points.push(this.point(now, last));
		while (now.t - this.points[0].t > KEPT_MS) {
			this.points.shift();
		}
		return this.points.at(-1);
	}

	point(now, before) {
		const seconds = (now.t - before.t) / 1000;
		const since = this.snapshots[0].buckets;
		const buckets = now.buckets.map((b, i) => ({ le: b.le, count: b.count - since[i].count }));
		const made = { t: now.t, streams: new Map() };
		for (const name of ["good", "client", "server", "received", "sent"]) {
			made[name] = rate(now[name], before[name], seconds);
		}
		made.total = made.good + made.client + made.server;
		[made.p50, made.p95, made.p99] = [0.5, 0.95, 0.99].map((q) => quantile(q, buckets));
		for (const [name, s] of now.streams) {
			const old = before.streams.get(name);
			made.streams.set(name, {
				records: rate(s.records, old?.records, seconds),
				bytes: rate(s.bytes, old?.bytes, seconds),
				rejected: rate(s.rejected, old?.rejected, seconds),
			});
		}
		return made;
	}
}

export { KEPT_MS };
