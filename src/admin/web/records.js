/*
 * The records of a bundle, page by page.
 */
import { get } from "./api.js";
import { button, el, section, setText } from "./dom.js";
import { bytes, count, line } from "./format.js";
import { formsOf } from "./payload.js";

const PER_PAGE = 20;

export class Records {
	constructor(id) {
		this.id = id;
		this.page = 1;
		this.list = el("ol", { class: "records" });
		this.where = el("span", { role: "status", text: "Reading…" });
		this.back = button("Previous", () => this.turn(-1));
		this.forth = button("Next", () => this.turn(1));
		this.back.disabled = this.forth.disabled = true;
		this.root = section("Records", [], this.list, el("nav", { class: "pager", "aria-label": "Pages of records" }, this.where, this.back, this.forth));
		this.read();
	}

	turn(by) {
		this.page += by;
		this.read();
	}

	async read() {
		try {
			const { records, total, error } = await get(`dlq/records/${encodeURIComponent(this.id)}`, { page: this.page, per_page: PER_PAGE });
			const from = (this.page - 1) * PER_PAGE;
			this.list.replaceChildren(...records.map((r) => this.record(r)));
			setText(this.where, total > 0 ? `${count(from + 1)}–${count(from + records.length)} of ${count(total)}${error ? `; ${line(error)}` : ""}` : error ?? "none");
			this.back.disabled = this.page <= 1;
			this.forth.disabled = from + records.length >= total;
		} catch (problem) {
			setText(this.where, problem.message);
		}
	}

	record(r) {
		const [[, make]] = formsOf({ payload: r.text, payload_base64: r.base64 });
		return el("li", {}, el("p", { class: "about", text: `Record ${count(r.number)}, ${bytes(r.size)}${r.truncated ? ", its beginning" : ""}` }), make());
	}
}
