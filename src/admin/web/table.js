/*
 * Tables that live: rows are known by a key and changed in place, so that focus, selections and the reader's eye stay where they are. On a phone
 * each row becomes a card: cells carry their column's title for that.
 *
 * A column: {title, text(row), show(row, text), kind(row), className}. text says what is there, and the cell is touched only when that changes; show
 * makes elements in place of the bare text; kind is a class of the moment.
 */
import { el, setText } from "./dom.js";
import { NOTHING } from "./format.js";

export class Table {
	constructor(label, columns, key, empty) {
		this.columns = columns;
		this.key = key;
		this.lines = new Map();
		this.body = el("tbody");
		this.empty = el("p", { class: "empty", text: empty });
		this.head = el("tr", {}, columns.map((c) => el("th", { scope: "col", class: c.className, text: c.title })));
		this.table = el("table", { "aria-label": label }, el("thead", {}, this.head), this.body);
		this.root = el("div", { class: "sheet" }, this.table, this.empty);
	}

	/* For who makes more of a line than cells: letters.js. */
	decorate() {}

	makeLine(row) {
		const cells = this.columns.map((c) => el("td", { class: c.className, data: { label: c.title } }));
		const line = { tr: el("tr", {}, cells), cells, shown: [] };
		this.decorate(line, row);
		return line;
	}

	fill(line, row) {
		line.row = row;
		this.columns.forEach((column, i) => {
			const cell = line.cells[i];
			const text = String(column.text(row));
			if (column.kind) {
				cell.className = `${column.className ?? ""} ${column.kind(row) ?? ""}`;
			}
			if (line.shown[i] === text) {
				return;
			}
			line.shown[i] = text;
			cell.toggleAttribute("data-nothing", text === NOTHING); /* left out on a phone */
			if (column.show) {
				cell.replaceChildren(column.show(row, text));
			} else {
				setText(cell, text);
			}
		});
	}

	update(rows) {
		const keys = rows.map(this.key);
		const wanted = new Set(keys);
		for (const [key, line] of this.lines) {
			if (!wanted.has(key)) {
				line.tr.remove();
				this.lines.delete(key);
			}
		}
		let before = null;
		rows.forEach((row, i) => {
			let line = this.lines.get(keys[i]);
			if (!line) {
				line = this.makeLine(row);
				this.lines.set(keys[i], line);
			}
			this.fill(line, row);
			const place = before ? before.nextSibling : this.body.firstChild;
			if (place !== line.tr) {
				this.body.insertBefore(line.tr, place);
			}
			before = line.tr;
		});
		this.empty.hidden = rows.length > 0;
		this.table.hidden = rows.length === 0;
	}
}
