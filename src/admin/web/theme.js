/*
 * Light or dark: as the reader's system has it, until they choose. The choice is kept in this browser; it is no secret.
 */
import { button } from "./dom.js";

const KEPT = "sluice.theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

function inForce() {
	return document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");
}

export function makeThemeButton() {
	const toggle = button("", () => {
		const next = inForce() === "dark" ? "light" : "dark";
		document.documentElement.dataset.theme = next;
		localStorage.setItem(KEPT, next);
		name();
	}, "plain");
	const name = () => {
		toggle.textContent = inForce() === "dark" ? "☀" : "☾";
		toggle.setAttribute("aria-label", inForce() === "dark" ? "Light colours" : "Dark colours");
		toggle.title = toggle.getAttribute("aria-label");
	};
	const kept = localStorage.getItem(KEPT);
	if (kept === "dark" || kept === "light") {
		document.documentElement.dataset.theme = kept;
	}
	dark.addEventListener("change", name);
	name();
	return toggle;
}
