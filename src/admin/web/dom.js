/*
 * Making and changing what the page shows. Whatever comes from the server becomes text nodes or attribute values, never markup: there is no
 * way to HTML in here, and no other module makes elements. What is to be read is made visible first (format.js): no text can hide a part of
 * itself, or turn around what stands beside it.
 */
import { visible } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";

function fill(node, properties, children) {
	for (const [name, value] of Object.entries(properties)) {
		if (name === "text") {
			node.textContent = visible(value);
		} else if (name === "title" || name === "aria-label") {
			node.setAttribute(name, visible(value));
		} else if (name === "on") {
			Object.entries(value).forEach(([event, fn]) => node.addEventListener(event, fn));
		} else if (name === "data") {
			Object.assign(node.dataset, value);
		} else if (value === true) {
			node.setAttribute(name, "");
		} else if (value !== false && value !== null && value !== undefined) {
			node.setAttribute(name, value);
		}
	}
	const there = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
	node.append(...there.map((child) => (typeof child === "string" ? visible(child) : child)));
	return node;
}

/* An element with these attributes; beside them text: its content, on: {event: listener}, data: dataset. Children that are null are left out. */
export function el(tag, properties = {}, ...children) {
	return fill(document.createElement(tag), properties, children);
}

export function svg(tag, properties = {}, ...children) {
	return fill(document.createElementNS(SVG, tag), properties, children);
}

/* Touching the page only where something changed keeps selections alive, and is cheaper. */
export function setText(node, text) {
	const shown = visible(text);
	if (node.textContent !== shown) {
		node.textContent = shown;
	}
}

export function button(text, click, kind = "") {
	return el("button", { type: "button", class: `button ${kind}`, text, on: { click } });
}

/* A label with its control, which gets an id for that. */
let fields = 0;
export function field(label, control, hint) {
	const id = `field-${++fields}`;
	control.id = id;
	if (hint) {
		control.setAttribute("aria-describedby", `${id}-hint`);
	}
	return el("div", { class: "field" }, el("label", { for: id, text: label }), control,
		hint && el("p", { class: "hint", id: `${id}-hint`, text: hint }));
}

/* A check box in front of its label. */
export function check(label, box, hint) {
	return el("label", { class: "check" }, box, el("span", {}, label, hint && el("small", { text: hint })));
}

/* options: [value, text] each. */
export function select(options, value, change) {
	const made = el("select", { on: change ? { change: () => change(made.value) } : {} });
	setOptions(made, options, value);
	return made;
}

export function setOptions(node, options, value) {
	const wanted = JSON.stringify(options);
	if (node.dataset.options !== wanted) {
		node.dataset.options = wanted;
		node.replaceChildren(...options.map(([v, text]) => el("option", { value: v, text })));
	}
	node.value = value;
}

export function pill(text, kind) {
	return el("span", { class: `pill ${kind}`, text });
}

/* Titled parts of a page; tools stand beside the title. */
export function section(title, tools, ...children) {
	const made = el("section", { "aria-label": title }, el("div", { class: "section-head" }, el("h2", { text: title }), ...tools), ...children);
	return made;
}

/* Drawn in the text's colour, beside text that says the same. */
export function icon(path) {
	return svg("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" },
		svg("path", { d: path, fill: "none", stroke: "currentColor", "stroke-width": "1.6", "stroke-linecap": "round", "stroke-linejoin": "round" }));
}
