/*
 * The list itself: a table whose rows are chosen with the mouse or the keys: arrows, Home and End move, Space chooses, Enter opens, Control-A (or ⌘A)
 * chooses the page. What is chosen stays so over pages.
 */
import { el, pill } from "./dom.js";
import { ago, bytes, count, fault, line, plural, shortId, when } from "./format.js";
import { Table } from "./table.js";

export const STATE_KIND = { pending: "warn", reprocessing: "busy", resolved: "good", discarded: "soft" };
export const TYPE_KIND = { transient: "warn", permanent: "bad", poison: "poison" };

function sizeText(m) {
	return m.kind === "bundle" ? `${plural(m.records, "record")}, ${bytes(m.size)}` : bytes(m.size);
}

const COLUMNS = [
	{ title: "", className: "box", text: () => "", show: () => "" },
	{ title: "Came", className: "came", text: (m) => ago(m.dlq_created_at), show: (m, text) => el("time", { datetime: m.dlq_created_at, title: when(m.dlq_created_at), text }) },
	{ title: "Stream", className: "strong", text: (m) => m.stream },
	{ title: "State", className: "state", text: (m) => m.status, show: (m, text) => pill(text, STATE_KIND[text] ?? "soft") },
	{ title: "Type", className: "type", text: (m) => m.error_type, show: (m, text) => pill(text, TYPE_KIND[text] ?? "soft") },
	{ title: "Error", className: "error", text: (m) => fault(m.error_status, m.error_message), show: (m, text) => el("bdi", { class: "clamp", title: text, text }) },
	{ title: "Attempts", className: "number fine", text: (m) => `${count(m.attempts)}${m.reprocess_count > 0 ? ` (${m.reprocess_count}× again)` : ""}` },
	{ title: "Size", className: "number fine", text: sizeText },
	{ title: "User", className: "user fine", text: (m) => line(m.user || "–", 60), show: (m, text) => el("bdi", { text }) },
	{ title: "Id", className: "mono fine", text: (m) => m.id, show: (m, text) => el("span", { title: text, text: shortId(text) }) },
];

export class LetterTable extends Table {
	/* open(id), changed(): another choice. */
	constructor(open, changed) {
		super("Dead letters", COLUMNS, (m) => m.id, "No dead letters.");
		this.open = open;
		this.changed = changed;
		this.chosen = new Set();
		this.current = null; /* the row that Tab leads to */
		this.table.setAttribute("role", "grid");
		this.table.setAttribute("aria-multiselectable", "true");
		this.all = el("input", { type: "checkbox", "aria-label": "Choose all on this page", on: { change: () => this.chooseAll(this.all.checked) } });
		this.head.firstElementChild.append(this.all);
		this.body.addEventListener("keydown", (event) => this.pressed(event));
		this.body.addEventListener("focusin", (event) => this.makeCurrent(event.target.closest("tr")));
	}

	/* Is a hand on it? */
	isInUse() {
		return this.body.matches(":hover") || this.body.contains(document.activeElement);
	}

	decorate(line, row) {
		const box = el("input", { type: "checkbox", tabindex: "-1", "aria-label": `Choose ${row.id}`, on: { change: () => this.toggle(row.id, box.checked) } });
		line.box = box;
		line.tr.tabIndex = -1;
		line.tr.dataset.id = row.id;
		line.cells[0].append(box);
		line.shown[0] = "";
		line.tr.addEventListener("click", (event) => {
			if (!event.target.closest(".box") && getSelection().isCollapsed) {
				this.open(row.id);
			}
		});
	}

	update(rows) {
		super.update(rows);
		if (!this.current?.isConnected) {
			this.makeCurrent(this.body.firstElementChild, false);
		}
		this.showChoice();
	}

	makeCurrent(tr) {
		if (!tr) {
			return;
		}
		if (this.current) {
			this.current.tabIndex = -1;
		}
		this.current = tr;
		tr.tabIndex = 0;
	}

	/* ---- choosing */

	toggle(id, on) {
		if (on) {
			this.chosen.add(id);
		} else {
			this.chosen.delete(id);
		}
		this.showChoice();
		this.changed();
	}

	chooseAll(on) {
		[...this.lines.keys()].forEach((id) => (on ? this.chosen.add(id) : this.chosen.delete(id)));
		this.showChoice();
		this.changed();
	}

	choose(ids) {
		this.chosen = new Set(ids);
		this.showChoice();
		this.changed();
	}

	showChoice() {
		let n = 0;
		for (const [id, { tr, box }] of this.lines) {
			const on = this.chosen.has(id);
			n += on;
			box.checked = on;
			tr.setAttribute("aria-selected", String(on));
		}
		this.all.checked = n > 0 && n === this.lines.size;
		this.all.indeterminate = n > 0 && n < this.lines.size;
	}

	/* ---- keys */

	pressed(event) {
		const tr = event.target.closest("tr");
		const to = { ArrowDown: tr?.nextElementSibling, ArrowUp: tr?.previousElementSibling, Home: this.body.firstElementChild, End: this.body.lastElementChild };
		if (!tr) {
			return;
		}
		if (event.key in to) {
			to[event.key]?.focus();
			if (event.shiftKey && to[event.key]) {
				this.toggle(to[event.key].dataset.id, true);
			}
		} else if (event.key === " ") {
			this.toggle(tr.dataset.id, !this.chosen.has(tr.dataset.id));
		} else if (event.key === "Enter") {
			this.open(tr.dataset.id);
		} else if (event.key === "a" && (event.ctrlKey || event.metaKey)) {
			this.chooseAll(true);
		} else {
			return;
		}
		event.preventDefault();
	}
}
