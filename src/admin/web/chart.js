/*
 * Two kinds of charts in SVG: lines over the last minutes, and stacked bars by the hour. Both have axes, a legend with the values of the moment (or of
 * where the pointer, or the arrow keys, are), and words for those who do not see them. Colours are the classes' (parts.css).
 */
import { el, setText, svg } from "./dom.js";
import { NOTHING } from "./format.js";

const LEFT = 60;
const BELOW = 18;
const ABOVE = 8;

/* The next of 1, 2, 2.5, 5, 10, … (of 1, 2, 2.5, … KiB, MiB, where units are 1024) that is not less. */
function niceTop(value, units = 1000) {
	const unit = units === 1024 ? 1024 ** Math.floor(Math.log2(Math.max(1, value)) / 10) : 1;
	const power = 10 ** Math.floor(Math.log10(value / unit)) * unit;
	return [1, 2, 2.5, 5, 10].find((step) => step * power >= value) * power;
}

const MINUTE_MS = 60000;

/* What both kinds share: a frame that knows its width, an axis, a legend, a cursor. */
class Chart {
	/* series: [{name, kind}]; format(value): as text. */
	constructor(label, series, format, height) {
		this.label = label;
		this.series = series;
		this.format = format;
		this.height = height;
		this.cursor = null; /* index of what is looked at */
		this.width = 0;
		this.grid = svg("g", { class: "grid" });
		this.marks = svg("g");
		this.needle = svg("line", { class: "needle", y1: ABOVE, y2: height - BELOW, visibility: "hidden" });
		this.canvas = svg("svg", { class: "canvas", height, role: "img", tabindex: "0" }, this.grid, this.marks, this.needle);
		this.values = series.map(() => el("b", { text: NOTHING }));
		this.at = el("span", { class: "chart-at" });
		this.legend = el("div", { class: "legend" }, series.map((s, i) =>
			el("span", { class: "key" }, el("i", { class: `swatch ${s.kind}` }), `${s.name} `, this.values[i])));
		this.root = el("figure", { class: "chart" }, el("figcaption", {}, label, this.at), this.legend, this.canvas);
		this.watch();
	}

	watch() {
		new ResizeObserver(() => {
			const width = this.canvas.clientWidth;
			if (width > 0 && width !== this.width) {
				this.width = width;
				this.canvas.setAttribute("viewBox", `0 0 ${width} ${this.height}`);
				this.draw();
			}
		}).observe(this.canvas);
		this.canvas.addEventListener("pointermove", (event) => this.look(this.nearest(event.offsetX)));
		this.canvas.addEventListener("pointerleave", () => this.look(null));
		this.canvas.addEventListener("blur", () => this.look(null));
		this.canvas.addEventListener("keydown", (event) => this.step(event));
	}

	step(event) {
		const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
		if (by && this.length() > 0) {
			const last = this.length() - 1;
			event.preventDefault();
			this.look(this.cursor === null ? last : Math.min(last, Math.max(0, this.cursor + by)));
		} else if (event.key === "Escape") {
			this.look(null);
		}
	}

	y(value) {
		return this.height - BELOW - (value / this.top) * (this.height - BELOW - ABOVE);
	}

	/* Lines at 0, a half and the top, with their values. */
	drawGrid(ticks) {
		const lines = [0, this.top / 2, this.top].flatMap((value) => [
			svg("line", { x1: LEFT, x2: this.width, y1: this.y(value), y2: this.y(value) }),
			svg("text", { x: LEFT - 6, y: this.y(value) + 4, "text-anchor": "end", text: this.format(value) }),
		]);
		const marks = ticks.map(([x, text, anchor]) => svg("text", { x, y: this.height - 3, "text-anchor": anchor ?? "middle", text }));
		this.grid.replaceChildren(...lines, ...marks);
	}

	look(index) {
		const there = index !== null && index < this.length();
		this.cursor = there ? index : null;
		this.needle.setAttribute("visibility", there ? "visible" : "hidden");
		if (there) {
			this.needle.setAttribute("x1", this.x(index));
			this.needle.setAttribute("x2", this.x(index));
		}
		this.showValues();
	}

	showValues() {
		const index = this.cursor ?? this.resting();
		const values = this.valuesAt(index);
		this.values.forEach((node, i) => setText(node, values ? this.format(values[i]) : NOTHING));
		setText(this.at, this.cursor === null ? this.restingText() : this.textAt(index));
		const words = this.series.map((s, i) => `${s.name} ${this.values[i].textContent}`).join(", ");
		this.canvas.setAttribute("aria-label", `${this.label}, ${this.at.textContent}: ${words}`);
	}
}

/* points: [{t, values: [number or null, …]}], t in ms. */
export class LineChart extends Chart {
	constructor(label, series, format, span, options = {}) {
		super(label, series, format, options.height ?? 150);
		this.most = span;
		this.span = MINUTE_MS;
		this.units = options.units;
		this.least = options.least ?? 1; /* the axis never ends below it */
		this.points = [];
		this.areas = series.map((s) => svg("path", { class: `area ${s.kind}` }));
		this.edges = series.map((s) => svg("path", { class: `edge ${s.kind}` }));
		this.marks.append(...this.areas, ...this.edges);
	}

	update(points) {
		const lasts = points.length > 0 ? points.at(-1).t - points[0].t : 0;
		this.points = points;
		this.span = [MINUTE_MS, 2 * MINUTE_MS].find((span) => lasts <= span) ?? this.most; /* a young chart is not empty */
		this.draw();
	}

	length() {
		return this.points.length;
	}

	x(index) {
		const end = this.points.at(-1).t;
		return this.width - 4 - ((end - this.points[index].t) / this.span) * (this.width - LEFT - 4);
	}

	nearest(x) {
		let best = null;
		this.points.forEach((_, i) => {
			if (best === null || Math.abs(this.x(i) - x) < Math.abs(this.x(best) - x)) {
				best = i;
			}
		});
		return best;
	}

	resting() {
		return this.points.length - 1;
	}

	restingText() {
		return "now";
	}

	textAt(index) {
		const seconds = Math.round((this.points.at(-1).t - this.points[index].t) / 1000);
		return seconds === 0 ? "now" : `${seconds} s ago`;
	}

	valuesAt(index) {
		return this.points[index]?.values;
	}

	draw() {
		if (!this.width) {
			return;
		}
		this.top = niceTop(Math.max(this.least, ...this.points.flatMap((p) => p.values.map((v) => v ?? 0))), this.units);
		const seconds = this.span / 1000;
		const before = (s) => (s > 60 ? `−${s / 60} min` : `−${s} s`);
		this.drawGrid([[LEFT, before(seconds), "start"], [(LEFT + this.width) / 2, before(seconds / 2)], [this.width - 2, "now", "end"]]);
		this.series.forEach((_, i) => this.drawLine(i));
		this.look(this.cursor);
	}

	/* Where there is no value the line is broken. */
	drawLine(i) {
		const runs = [];
		let run = null;
		this.points.forEach((point, at) => {
			if (point.values[i] === null || point.values[i] === undefined) {
				run = null;
				return;
			}
			if (!run) {
				runs.push(run = []);
			}
			run.push(`${this.x(at).toFixed(1)} ${this.y(point.values[i]).toFixed(1)}`);
		});
		const floor = this.y(0);
		this.edges[i].setAttribute("d", runs.map((r) => `M${r.length === 1 ? `${r[0]}L${r[0]}` : r.join("L")}`).join(""));
		this.areas[i].setAttribute("d", runs.map((r) => `M${r[0].split(" ")[0]} ${floor}L${r.join("L")}L${r.at(-1).split(" ")[0]} ${floor}Z`).join(""));
	}
}

/* columns: [{title, values: [number, …]}]; click(index) where given. */
export class BarChart extends Chart {
	constructor(label, series, format, options = {}) {
		super(label, series, format, options.height ?? 150);
		this.columns = [];
		this.total = "";
		this.click = options.click;
		this.canvas.addEventListener("click", (event) => this.choose(this.nearest(event.offsetX)));
		this.canvas.addEventListener("keydown", (event) => event.key === "Enter" && this.choose(this.cursor));
	}

	choose(index) {
		if (this.click && index !== null && index < this.columns.length) {
			this.click(index);
		}
	}

	update(columns, total) {
		this.columns = columns;
		this.total = total;
		this.draw();
	}

	length() {
		return this.columns.length;
	}

	pitch() {
		return (this.width - LEFT) / Math.max(1, this.columns.length);
	}

	x(index) {
		return LEFT + (index + 0.5) * this.pitch();
	}

	nearest(x) {
		const index = Math.floor((x - LEFT) / this.pitch());
		return index >= 0 && index < this.columns.length ? index : null;
	}

	resting() {
		return null;
	}

	restingText() {
		return this.total;
	}

	textAt(index) {
		return this.columns[index].title;
	}

	valuesAt(index) {
		return index === null ? this.series.map((_, i) => this.columns.reduce((sum, c) => sum + c.values[i], 0)) : this.columns[index].values;
	}

	draw() {
		if (!this.width) {
			return;
		}
		const n = this.columns.length;
		this.top = niceTop(Math.max(2, ...this.columns.map((c) => c.values.reduce((sum, v) => sum + v, 0))));
		this.drawGrid(n === 0 ? [] : [[LEFT, this.columns[0].title, "start"], [this.width - 2, this.columns[n - 1].title, "end"]]);
		const wide = Math.max(1, Math.min(26, this.pitch() - (this.pitch() > 6 ? 3 : 1)));
		this.marks.replaceChildren(...this.columns.flatMap((column, c) => this.stack(column, this.x(c) - wide / 2, wide)));
		this.look(this.cursor);
	}

	stack(column, x, wide) {
		let below = 0;
		return column.values.flatMap((value, i) => {
			if (value === 0) {
				return [];
			}
			const top = this.y(below + value);
			const made = svg("rect", { class: `bar ${this.series[i].kind}`, x, width: wide, y: top, height: Math.max(1, this.y(below) - top), rx: 1.5 });
			below += value;
			return [made];
		});
	}
}
