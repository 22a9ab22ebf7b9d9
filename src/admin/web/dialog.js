/*
 * Questions in front of the page. The element <dialog> keeps the rest of the page out of reach and closes on Escape; Tab goes round inside.
 * When it closes the focus goes back to where it came from.
 */
import { button, el } from "./dom.js";

const REACHABLE = "button:not(:disabled), input:not(:disabled), select:not(:disabled), textarea:not(:disabled), summary, a[href]";

function goRound(event, box) {
	if (event.key !== "Tab") {
		return;
	}
	const all = [...box.querySelectorAll(REACHABLE)].filter((node) => node.checkVisibility());
	const edge = event.shiftKey ? all[0] : all.at(-1);
	if (document.activeElement === edge || !box.contains(document.activeElement)) {
		event.preventDefault();
		(event.shiftKey ? all.at(-1) : all[0])?.focus();
	}
}

/* Shows it; settle(value) closes it, and the promise gives that value: null on Escape and Cancel. content(settle) makes the inside: an element
 * whose [data-first] gets the focus. */
export function ask(title, content) {
	return new Promise((resolve) => {
		const from = document.activeElement;
		const box = el("dialog", { class: "dialog", "aria-labelledby": "dialog-title" });
		let value = null;
		const settle = (v) => {
			value = v;
			box.close();
		};
		box.append(el("h2", { id: "dialog-title", text: title }), content(settle));
		box.addEventListener("keydown", (event) => goRound(event, box));
		box.addEventListener("close", () => {
			box.remove();
			(from?.isConnected ? from : document.querySelector("h1"))?.focus();
			resolve(value);
		});
		document.body.append(box);
		box.showModal();
		box.querySelector("[data-first]")?.focus();
	});
}

/* A row of Cancel and what is to be done; the latter submits the form around it. */
export function choices(settle, text, kind) {
	const go = el("button", { type: "submit", class: `button ${kind}`, text });
	return { go, row: el("div", { class: "choices" }, button("Cancel", () => settle(null)), go) };
}

/* True: yes. lines: paragraphs of text. */
export async function confirm(title, lines, text, kind = "danger") {
	const sure = await ask(title, (settle) => {
		const { go, row } = choices(settle, text, kind);
		go.dataset.first = "";
		return el("form", { on: { submit: (event) => { event.preventDefault(); settle(true); } } },
			...lines.map((line) => el("p", { text: line })), row);
	});
	return sure === true;
}
