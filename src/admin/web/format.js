/*
 * Numbers, times and hostile text as people read them. Times come as RFC 3339; null is "–" everywhere.
 */

export const NOTHING = "–";

const integers = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dated = new Intl.DateTimeFormat("en-GB", { year: "numeric", month: "short", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const hourly = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit" });

function isNothing(value) {
	return value === null || value === undefined || Number.isNaN(value);
}

export function count(n) {
	return isNothing(n) ? NOTHING : integers.format(n);
}

/* "1 record", "2 records". */
export function plural(n, one, many = `${one}s`) {
	return `${count(n)} ${n === 1 ? one : many}`;
}

export function bytes(n) {
	const units = ["B", "KiB", "MiB", "GiB", "TiB"];
	let unit = 0;
	if (isNothing(n)) {
		return NOTHING;
	}
	for (; n >= 1024 && unit < units.length - 1; unit++) {
		n /= 1024;
	}
	return `${unit === 0 || n >= 100 ? integers.format(Math.round(n)) : n.toFixed(1)} ${units[unit]}`;
}

/* A rate, with a digit more where it is small. */
export function decimal(n) {
	if (isNothing(n)) {
		return NOTHING;
	}
	if (n === 0 || n >= 100) {
		return integers.format(Math.round(n));
	}
	return n >= 10 ? n.toFixed(1) : n >= 0.095 ? n.toFixed(2).replace(/0$/, "") : n < 0.005 ? "<0.01" : n.toFixed(2);
}

export function milliseconds(ms) {
	if (isNothing(ms)) {
		return NOTHING;
	}
	if (ms === 0) {
		return "0 ms";
	}
	return ms >= 10000 ? `${(ms / 1000).toFixed(1)} s` : ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms >= 100 ? Math.round(ms) : Number(ms.toFixed(1))} ms`;
}

export function duration(seconds) {
	if (isNothing(seconds)) {
		return NOTHING;
	}
	const s = Math.max(0, seconds);
	if (s < 60) {
		return `${Math.floor(s)} s`;
	}
	if (s < 3600) {
		return `${Math.floor(s / 60)} min`;
	}
	const [large, small, sizes] = s < 86400 ? [Math.floor(s / 3600), Math.floor(s / 60) % 60, ["h", "min"]] : [Math.floor(s / 86400), Math.floor(s / 3600) % 24, ["d", "h"]];
	return `${large} ${sizes[0]}${small > 0 ? ` ${small} ${sizes[1]}` : ""}`;
}

export function ago(time) {
	if (!time) {
		return NOTHING;
	}
	const seconds = (Date.now() - Date.parse(time)) / 1000;
	return seconds < -1 ? `in ${duration(-seconds)}` : seconds < 5 ? "just now" : `${duration(seconds)} ago`;
}

/* The whole of it, in the reader's own zone. */
export function when(time) {
	return time ? dated.format(new Date(time)) : NOTHING;
}

export function hourOf(time) {
	return hourly.format(new Date(time));
}

export function timeOfDay(time) {
	return clock.format(new Date(time));
}

export function shortId(id) {
	return id && id.length > 14 ? `${id.slice(0, 6)}…${id.slice(-6)}` : id ?? NOTHING;
}

/* An error with its status, where it does not begin with that itself. */
export function fault(status, message, most) {
	const text = line(message ?? NOTHING, most);
	return status && !text.startsWith(String(status)) ? `${status} ${text}` : text;
}

/* Characters that have no look of their own, or turn the direction of what follows, are shown as what they are. */
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

export function visible(text) {
	return String(text ?? NOTHING).replace(UNSEEN, (c) => (c === "\r" ? "" : `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`));
}

/* The same in one line of at most so many characters. */
export function line(text, most = 300) {
	const whole = visible(text).replace(/\s+/g, " ");
	return whole.length > most ? `${whole.slice(0, most)}…` : whole;
}
