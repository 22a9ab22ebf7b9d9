/*
 * The traffic statistics for people: polls format/json, shows it as cards and tables, computes rates from two answers.
 *
 * Every name comes from outside and is only ever put into the page as text (textContent, or an attribute by setAttribute). Rows are made
 * once and then changed in place; a table shows one page of rows, so that ten thousand zones cost no more than fifty.
 */
"use strict";

const BASE = new URL(".", document.currentScript.src);
const PAGE_ROWS = 50; /* rows of a table that are shown at a time */
const FILTER_FROM = 10; /* a table of more rows can be filtered */
const SPARK_POINTS = 60;
const NOTHING = "n/a";

/* ---- small helpers */

function element(tag, properties = {}, ...children) {
	const made = document.createElement(tag);
	Object.assign(made, properties);
	made.append(...children);
	return made;
}

function own(object, key) {
	return object && Object.hasOwn(object, key) ? object[key] : undefined;
}

/* Touching the page only where something changed keeps selections alive, and is cheaper. */
function setText(node, text) {
	if (node.textContent !== text) {
		node.textContent = text;
	}
}

const integers = new Intl.NumberFormat("en");

function count(n) {
	return integers.format(n);
}

function bytes(n) {
	const units = ["B", "KiB", "MiB", "GiB", "TiB"];
	let unit = 0;
	for (; n >= 1024 && unit < units.length - 1; unit++) {
		n /= 1024;
	}
	return `${unit === 0 || n >= 100 ? integers.format(Math.round(n)) : n.toFixed(1)} ${units[unit]}`;
}

function milliseconds(n) {
	return n < 10000 ? `${count(n)} ms` : `${(n / 1000).toFixed(1)} s`;
}

function duration(ms) {
	const s = Math.max(0, Math.floor(ms / 1000));
	const clock = [Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60, s % 60].map((n) => String(n).padStart(2, "0")).join(":");
	return s < 86400 ? clock : `${Math.floor(s / 86400)} d ${clock}`;
}

/* By difference; null where there is nothing to compare with, or a counter went back (a reset). */
function rate(now, before, seconds) {
	return before === undefined || !(seconds > 0) || now < before ? null : (now - before) / seconds;
}

function perSecond(value) {
	if (value === null) {
		return NOTHING;
	}
	return value > 0 && value < 10 ? value.toFixed(1) : count(Math.round(value));
}

function bytesPerSecond(value) {
	return value === null ? NOTHING : bytes(value);
}

/* Two letters as the flag they stand for, before the letters themselves. */
function withFlag(code) {
	const letters = [...code.toUpperCase()].map((c) => String.fromCodePoint(c.codePointAt(0) + 0x1f1e6 - 0x41));
	return `${letters.join("")} ${code}`;
}

/* ---- columns: a group's title, then [title, value(row), text(value), class(value)]; a row is {name, now, before, seconds} */

const CLASSES = ["1xx", "2xx", "3xx", "4xx", "5xx"];
const CACHE = ["miss", "bypass", "expired", "stale", "updating", "revalidated", "hit", "scarce"];

function total(responses, names) {
	return names.reduce((sum, name) => sum + responses[name], 0);
}

function capital(word) {
	return word[0].toUpperCase() + word.slice(1);
}

const mark = { "4xx": "warn", "5xx": "bad" };

function classColumns(names, title) {
	return names.map((name) => [title(name), (r) => r.now.responses[name], count, (n) => (n > 0 ? mark[name] : undefined)]);
}

const REQUESTS = ["Requests", [
	["Total", (r) => r.now.requestCounter, count],
	["Req/s", (r) => rate(r.now.requestCounter, r.before?.requestCounter, r.seconds), perSecond],
	["Time", (r) => r.now.requestMsec, milliseconds],
]];

const RESPONSES = ["Responses", [
	...classColumns(CLASSES, (name) => name),
	["Total", (r) => total(r.now.responses, CLASSES), count],
]];

const TRAFFIC = ["Traffic", [
	["Sent", (r) => r.now.outBytes, bytes],
	["Rcvd", (r) => r.now.inBytes, bytes],
	["Sent/s", (r) => rate(r.now.outBytes, r.before?.outBytes, r.seconds), bytesPerSecond],
	["Rcvd/s", (r) => rate(r.now.inBytes, r.before?.inBytes, r.seconds), bytesPerSecond],
]];

const CACHED = ["Cache", [
	...classColumns(CACHE, capital),
	["Total", (r) => total(r.now.responses, CACHE), count],
]];

const ZONE_COLUMNS = [REQUESTS, RESPONSES, TRAFFIC, CACHED];

function peerState(peer) {
	return peer.down ? "down" : peer.backup ? "backup" : "up";
}

const PEER_COLUMNS = [
	["Server", [
		["State", (r) => peerState(r.now), (text) => text, (text) => `pill ${text}`],
		["Response Time", (r) => r.now.responseMsec, milliseconds],
		["Weight", (r) => r.now.weight, count],
		["MaxFails", (r) => r.now.maxFails, count],
		["FailTimeout", (r) => r.now.failTimeout, (n) => `${count(n)} s`],
	]],
	REQUESTS,
	RESPONSES,
	TRAFFIC,
];

const CACHE_COLUMNS = [
	["Size", [
		["Capacity", (r) => r.now.maxSize, bytes],
		["Used", (r) => r.now.usedSize, bytes],
	]],
	TRAFFIC,
	CACHED,
];

/* ---- a table: one thing a row, sorted, filtered, a page at a time */

class Table {
	constructor(nameTitle, groups, label, showName = (name) => name) {
		this.columns = groups.flatMap(([, columns]) => columns.map((column, i) => ({ column, starts: i === 0 })));
		this.rows = []; /* all, in the server's order */
		this.last = null; /* the sum, pinned below */
		this.lines = []; /* <tr>s of the page shown */
		this.showName = showName;
		this.sort = { by: null, sign: 0 };
		this.page = 0;
		this.query = "";
		this.body = element("tbody");
		this.foot = element("tfoot");
		this.table = element("table", {}, this.makeHead(nameTitle, groups), this.body);
		this.scroll = element("div", { className: "scroll", tabIndex: 0 }, this.table);
		this.scroll.setAttribute("role", "region");
		this.scroll.setAttribute("aria-label", label);
		this.makeTools(label);
		this.root = element("div", {}, this.tools, this.scroll);
	}

	makeHead(nameTitle, groups) {
		const above = element("tr", { className: "groups" }, element("th"));
		const names = element("tr", { className: "names" });
		this.heads = [this.makeSorter(nameTitle, null), ...this.columns.map((c) => this.makeSorter(c.column[0], c))];
		for (const [title, columns] of groups) {
			above.append(element("th", { className: "starts", colSpan: columns.length, scope: "colgroup", textContent: title }));
		}
		names.append(...this.heads.map((head) => head.cell));
		return element("thead", {}, above, names);
	}

	/* A column's head. It sorts by the column: numbers largest first, then smallest first, then the server's order again. */
	makeSorter(title, of) {
		const button = element("button", { type: "button", textContent: title });
		const cell = element("th", { scope: "col", className: of?.starts ? "starts" : "" }, button);
		const first = of ? -1 : 1;
		button.addEventListener("click", () => {
			const again = this.sort.by === (of ?? this);
			const sign = !again ? first : this.sort.sign === first ? -first : 0;
			this.sort = { by: sign ? of ?? this : null, sign };
			this.page = 0;
			this.heads.forEach((head) => head.cell.removeAttribute("aria-sort"));
			if (sign) {
				cell.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
			}
			this.show();
		});
		return { cell };
	}

	makeTools(label) {
		this.filter = element("input", { type: "search", placeholder: "Filter by name" });
		this.filter.setAttribute("aria-label", `Filter ${label} by name`);
		this.filter.addEventListener("input", () => {
			this.query = this.filter.value.toLowerCase();
			this.page = 0;
			this.show();
		});
		this.where = element("span");
		this.back = this.makeTurn("Previous", -1);
		this.forth = this.makeTurn("Next", 1);
		this.pages = element("span", { className: "pages" }, this.where, this.back, this.forth);
		this.tools = element("div", { className: "tools-row", hidden: true }, this.filter, this.pages);
	}

	makeTurn(text, by) {
		const button = element("button", { type: "button", textContent: text });
		button.addEventListener("click", () => {
			this.page += by;
			this.show();
		});
		return button;
	}

	/* rows: all that there are now, but for the sum, which is last. */
	update(rows, last = null) {
		this.rows = rows;
		this.last = last;
		this.show();
	}

	chosen() {
		const { by, sign } = this.sort;
		let rows = this.rows;
		if (this.query) {
			rows = rows.filter((row) => row.name.toLowerCase().includes(this.query));
		}
		if (!by) {
			return rows;
		}
		const value = by === this ? (row) => row.name : by.column[1];
		const keyed = rows.map((row) => ({ row, key: value(row) ?? -1 }));
		keyed.sort((a, b) => (a.key < b.key ? -sign : a.key > b.key ? sign : 0));
		return keyed.map((k) => k.row);
	}

	show() {
		const rows = this.chosen();
		const pages = Math.max(1, Math.ceil(rows.length / PAGE_ROWS));
		this.page = Math.min(this.page, pages - 1);
		const from = this.page * PAGE_ROWS;
		const shown = rows.slice(from, from + PAGE_ROWS);
		while (this.lines.length > shown.length) {
			this.lines.pop().line.remove();
		}
		shown.forEach((row, i) => {
			if (!this.lines[i]) {
				this.lines.push(this.makeLine());
				this.body.append(this.lines[i].line);
			}
			this.fill(this.lines[i], row);
		});
		this.showLast();
		this.tools.hidden = this.rows.length <= FILTER_FROM;
		this.pages.hidden = pages === 1 && !this.query;
		this.back.disabled = this.page === 0;
		this.forth.disabled = this.page === pages - 1;
		setText(this.where, rows.length ? `${count(from + 1)}–${count(from + shown.length)} of ${count(rows.length)}` : "none");
	}

	showLast() {
		if (!this.last) {
			this.foot.remove();
			return;
		}
		if (!this.foot.firstChild) {
			this.footLine = this.makeLine();
			this.foot.append(this.footLine.line);
		}
		this.fill(this.footLine, this.last);
		if (!this.foot.parentNode) {
			this.table.append(this.foot);
		}
	}

	makeLine() {
		const head = element("th", { scope: "row" });
		const cells = this.columns.map((c) => element("td", { className: c.starts ? "starts" : "" }));
		return { line: element("tr", {}, head, ...cells), head, cells };
	}

	fill(line, row) {
		setText(line.head, this.showName(row.name));
		line.head.title = row.name;
		this.columns.forEach(({ column: [, value, text, kind], starts }, i) => {
			const v = value(row);
			const cell = line.cells[i];
			const made = kind?.(v) ?? "";
			if (made.startsWith("pill")) {
				this.fillPill(cell, text(v), made);
				cell.className = starts ? "starts" : "";
				return;
			}
			setText(cell, text(v));
			cell.className = `${starts ? "starts " : ""}${v === 0 || v === null ? "zero" : made}`;
		});
	}

	fillPill(cell, text, kind) {
		if (!cell.firstElementChild) {
			cell.append(element("span"));
		}
		setText(cell.firstElementChild, text);
		cell.firstElementChild.className = kind;
	}
}

/* ---- sections */

class Section {
	constructor(title) {
		this.root = element("section", { hidden: true }, element("h2", { textContent: title }));
		this.root.setAttribute("aria-label", title);
	}
}

function rowsOf(zones, before, seconds) {
	return Object.keys(zones).map((name) => ({ name, now: zones[name], before: own(before, name), seconds }));
}

/* One table; the last zone is the sum where there is one. */
class TableSection extends Section {
	constructor(title, columns, hasSum) {
		super(title);
		this.hasSum = hasSum;
		this.table = new Table("Zone", columns, title);
		this.root.append(this.table.root);
	}

	update(zones, before, seconds) {
		this.root.hidden = !zones;
		if (zones) {
			const rows = rowsOf(zones, before, seconds);
			const last = this.hasSum ? rows.pop() : null;
			this.table.update(rows, last);
		}
	}
}

/* A table a group, with its name above. */
class GroupSection extends Section {
	constructor(title, nameTitle, columns) {
		super(title);
		this.nameTitle = nameTitle;
		this.columns = columns;
		this.groups = new Map();
	}

	rows(group, before, seconds) {
		return rowsOf(group, before, seconds);
	}

	update(all, before, seconds) {
		this.root.hidden = !all;
		for (const [name, made] of this.groups) {
			if (own(all, name) === undefined) {
				made.root.remove();
				this.groups.delete(name);
			}
		}
		for (const name of Object.keys(all ?? {})) {
			if (!this.groups.has(name)) {
				this.groups.set(name, this.makeGroup(name));
			}
			this.groups.get(name).table.update(this.rows(all[name], own(before, name), seconds));
		}
	}

	makeGroup(name) {
		const isCountry = name.toLowerCase().includes("country");
		const show = isCountry ? (key) => (/^[A-Za-z]{2}$/.test(key) ? withFlag(key) : key) : undefined;
		const table = new Table(this.nameTitle, this.columns, name, show);
		const root = element("div", {}, element("h3", { textContent: name }), table.root);
		this.root.append(root);
		return { root, table };
	}
}

class PeerSection extends GroupSection {
	rows(peers, before, seconds) {
		const old = new Map((before ?? []).map((peer) => [peer.server, peer]));
		return peers.map((peer) => ({ name: peer.server, now: peer, before: old.get(peer.server), seconds }));
	}
}

/* A line of the last minute's values. */
class Spark {
	constructor(label) {
		const make = (tag) => document.createElementNS("http://www.w3.org/2000/svg", tag);
		this.values = [];
		this.root = make("svg");
		this.area = make("path");
		this.edge = make("path");
		this.area.setAttribute("class", "area");
		this.edge.setAttribute("class", "edge");
		this.root.setAttribute("class", "spark");
		this.root.setAttribute("preserveAspectRatio", "none");
		this.root.setAttribute("role", "img");
		this.root.setAttribute("aria-label", label);
		this.root.append(this.area, this.edge);
	}

	add(value) {
		this.values.push(value ?? 0);
		this.values = this.values.slice(-SPARK_POINTS);
		const top = Math.max(...this.values, 1e-9);
		const end = Math.max(this.values.length - 1, 1);
		const points = this.values.map((v, i) => `${i} ${(29 - (v / top) * 27).toFixed(2)}`);
		this.root.setAttribute("viewBox", `0 0 ${end} 30`);
		this.edge.setAttribute("d", `M${points.join("L")}`);
		this.area.setAttribute("d", `M0 30L${points.join("L")}L${this.values.length - 1} 30Z`);
	}
}

class Card {
	constructor(title, names, className = "") {
		this.values = names.map(() => element("dd"));
		const list = element("dl", { className }, ...names.flatMap((name, i) => [element("dt", { textContent: name }), this.values[i]]));
		this.root = element("div", { className: "card" }, element("h3", { textContent: title }), list);
	}

	set(...texts) {
		texts.forEach((text, i) => setText(this.values[i], text));
	}
}

class MainSection extends Section {
	constructor() {
		super("Server main");
		this.host = new Card("Server", ["Host", "Version", "Uptime"]);
		this.connections = new Card("Connections", ["active", "accepted", "reading", "handled", "writing", "", "waiting", ""], "pairs");
		this.requests = new Card("Requests", ["Total", "Req/s"]);
		this.spark = new Spark("requests per second");
		this.requests.root.append(this.spark.root);
		this.memory = new Card("Shared memory", ["name", "maxSize", "usedSize", "usedNode"]);
		this.meter = element("meter", { min: 0, max: 1, low: 0.8, high: 0.95, optimum: 0 });
		this.meter.setAttribute("aria-label", "shared memory used");
		this.memory.root.append(this.meter);
		this.root.append(element("div", { className: "cards" },
			...[this.host, this.connections, this.requests, this.memory].map((card) => card.root)));
	}

	update(now, before, seconds) {
		const c = now.connections;
		const zone = now.sharedZones;
		const requestRate = rate(c.requests, before?.connections.requests, seconds);
		this.root.hidden = false;
		this.host.set(now.hostName, now.nginxVersion, duration(now.nowMsec - now.loadMsec));
		this.connections.set(count(c.active), count(c.accepted), count(c.reading), count(c.handled), count(c.writing), "", count(c.waiting), "");
		this.requests.set(count(c.requests), perSecond(requestRate));
		this.memory.set(zone.name, bytes(zone.maxSize), bytes(zone.usedSize), count(zone.usedNode));
		this.meter.value = zone.maxSize > 0 ? zone.usedSize / zone.maxSize : 0;
		if (before) {
			this.spark.add(requestRate);
		}
	}
}

/* ---- the page */

class Page {
	constructor() {
		this.main = new MainSection();
		this.servers = new TableSection("Server zones", ZONE_COLUMNS, true);
		this.filters = new GroupSection("Filters", "Zone", ZONE_COLUMNS);
		this.upstreams = new PeerSection("Upstreams", "Server", PEER_COLUMNS);
		this.caches = new TableSection("Caches", CACHE_COLUMNS, false);
		this.live = document.getElementById("live");
		this.refresh = document.getElementById("refresh");
		this.before = null;
		this.timer = 0;
		this.polling = false;
		document.getElementById("main").append(
			...[this.main, this.servers, this.filters, this.upstreams, this.caches].map((section) => section.root));
		this.refresh.addEventListener("change", () => this.wait(0));
		document.addEventListener("visibilitychange", () => this.wait(0));
	}

	/* The next poll, unless nobody is looking. */
	wait(ms) {
		clearTimeout(this.timer);
		if (!document.hidden && !this.polling) {
			this.timer = setTimeout(() => this.poll(), ms);
		}
	}

	async poll() {
		const start = performance.now();
		this.polling = true;
		try {
			const answer = await fetch(new URL("format/json", BASE), { cache: "no-store", signal: AbortSignal.timeout(30000) });
			if (!answer.ok) {
				throw new Error(`the server answers ${answer.status}`);
			}
			this.show(await answer.json());
		} catch (problem) {
			this.live.dataset.state = "bad";
			setText(this.live, problem.name === "TypeError" ? "the server does not answer" : problem.message);
		}
		this.polling = false;
		/* A server, or a browser, that has much to do is given time for other things. */
		const took = performance.now() - start;
		this.wait(Math.max(this.refresh.value * 1000 - took, took, 100));
	}

	show(now) {
		const before = this.before;
		const seconds = before ? (now.nowMsec - before.nowMsec) / 1000 : 0;
		this.main.update(now, before, seconds);
		this.servers.update(now.serverZones, before?.serverZones, seconds);
		this.filters.update(now.filterZones, before?.filterZones, seconds);
		this.upstreams.update(now.upstreamZones, before?.upstreamZones, seconds);
		this.caches.update(now.cacheZones, before?.cacheZones, seconds);
		this.before = now;
		this.live.dataset.state = "good";
		setText(this.live, `updated ${new Date(now.nowMsec).toLocaleTimeString()}`);
	}
}

new Page().wait(0);
