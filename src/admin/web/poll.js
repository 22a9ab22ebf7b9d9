/*
 * Doing something again and again while somebody looks: one run at a time, none while the tab is hidden, slower where the server is slow. The second run
 * comes early, because rates are a matter of two.
 */
import { ApiError } from "./api.js";

const SECOND_MS = 600;

export class Poll {
	constructor(ms, run) {
		this.ms = ms;
		this.run = run;
		this.timer = 0;
		this.busy = false;
		this.on = false;
		this.runs = 0;
		document.addEventListener("visibilitychange", () => this.soon(0));
	}

	start() {
		this.on = true;
		this.runs = 0;
		this.soon(0);
	}

	stop() {
		this.on = false;
		clearTimeout(this.timer);
	}

	/* Now, or as soon as the run under way ends. */
	hurry() {
		this.again = this.busy;
		this.soon(0);
	}

	soon(ms) {
		clearTimeout(this.timer);
		if (this.on && !this.busy && !document.hidden) {
			this.timer = setTimeout(() => this.once(), ms);
		}
	}

	async once() {
		const start = performance.now();
		this.busy = true;
		try {
			await this.run();
		} catch (problem) {
			/* Who runs shows what the server refused; api.js tells of a server that is away. The rest are faults of ours. */
			if (!(problem instanceof ApiError)) {
				reportError(problem);
			}
		}
		const took = performance.now() - start;
		const pause = this.runs++ === 0 ? Math.min(this.ms, SECOND_MS) : this.ms;
		const wait = this.again ? 0 : Math.max(pause - took, took, 100);
		this.busy = this.again = false;
		this.soon(wait);
	}
}
