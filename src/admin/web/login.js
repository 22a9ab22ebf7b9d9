/*
 * The door: asks for an API key of the role admin and tries it. Says what the server says when it does not fit.
 */
import { logIn } from "./api.js";
import { check, el, field, setText } from "./dom.js";

export class Login {
	constructor(entered) {
		this.key = el("input", { type: "password", autocomplete: "off", spellcheck: "false", required: true });
		this.keep = el("input", { type: "checkbox" });
		this.problem = el("p", { class: "problem", role: "alert" });
		this.submit = el("button", { type: "submit", class: "button primary", text: "Log in" });
		this.form = el("form", { class: "login card", on: { submit: (event) => this.enter(event, entered) } },
			el("h1", { tabindex: "-1", text: "Sluice console" }),
			field("Admin key", this.key, "An API key of the role admin: sluicectl keys new --role=admin NAME"),
			check("Keep until the tab closes", this.keep, "Otherwise it is forgotten when the page is reloaded."),
			this.problem, this.submit);
		this.root = el("div", { class: "door" }, this.form);
	}

	show(why = "") {
		setText(this.problem, why);
		this.key.value = "";
		this.key.focus();
	}

	async enter(event, entered) {
		event.preventDefault();
		this.submit.disabled = true;
		setText(this.problem, "");
		try {
			await logIn(this.key.value.trim(), this.keep.checked);
			this.key.value = "";
			entered();
		} catch (problem) {
			setText(this.problem, problem.message);
			this.key.select();
			this.key.focus();
		} finally {
			this.submit.disabled = false;
		}
	}
}
