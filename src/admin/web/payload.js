/*
 * A payload as it can be read: JSON in lines, with its numbers exactly as they came (nothing is parsed and written anew), text as it is, anything
 * else as hex. What is there is at most the first 64 KiB; the whole is downloaded.
 */
import { el } from "./dom.js";

const HEX_LINE = 16;
const HEX_BYTES = 4096;

/* A string, a number or word, a sign; anything that is no JSON comes out as it is. */
const TOKEN = /("(?:[^"\\]|\\.)*")|([-+.\w]+)|([{}[\],:])|(\s+)|([^])/g;

function kindOf(token) {
	if (token[1] !== undefined) {
		return "string";
	}
	return token[2] !== undefined ? (/^(true|false|null)$/.test(token[2]) ? "word" : "figure") : "";
}

/* JSON text as lines of spans. */
export function formatJson(text) {
	const out = el("pre", { class: "code", tabindex: "0", "aria-label": "Payload" });
	let depth = 0;
	let isFresh = false; /* right behind an opening bracket: "{}" stays in one line */
	const newLine = () => out.append(`\n${"  ".repeat(depth)}`);
	const tokens = [...text.matchAll(TOKEN)].filter((token) => token[4] === undefined);
	tokens.forEach((token, i) => {
		const sign = token[3];
		const isClosing = sign === "}" || sign === "]";
		if (isClosing) {
			depth = Math.max(0, depth - 1);
		}
		if ((isClosing && !isFresh) || (!isClosing && isFresh)) {
			newLine();
		}
		isFresh = sign === "{" || sign === "[";
		if (isFresh) {
			depth++;
		}
		if (sign) {
			out.append(sign === ":" ? ": " : sign);
		} else {
			const isName = tokens[i + 1]?.[3] === ":";
			out.append(el("span", { class: isName ? "name" : kindOf(token), text: token[0] }));
		}
		if (sign === ",") {
			newLine();
		}
	});
	return out;
}

export function formatText(text) {
	return el("pre", { class: "code", tabindex: "0", "aria-label": "Payload", text: text });
}

export function formatHex(bytes) {
	const lines = [];
	const shown = bytes.subarray(0, HEX_BYTES);
	for (let at = 0; at < shown.length; at += HEX_LINE) {
		const part = [...shown.subarray(at, at + HEX_LINE)];
		const hex = part.map((b) => b.toString(16).padStart(2, "0")).join(" ").padEnd(HEX_LINE * 3 - 1);
		const text = part.map((b) => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : "·")).join("");
		lines.push(`${at.toString(16).padStart(6, "0")}  ${hex}  ${text}`);
	}
	if (bytes.length > shown.length) {
		lines.push(`… ${bytes.length - shown.length} bytes more`);
	}
	return el("pre", { class: "code hex", tabindex: "0", "aria-label": "Payload in hex", text: lines.join("\n") });
}

export function fromBase64(text) {
	return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

function isJson(text) {
	try {
		JSON.parse(text);
		return true;
	} catch {
		return false;
	}
}

/* The forms that a payload can be shown in, best first: [name, make()]. */
export function formsOf({ payload, payload_base64: base64, payload_json: json }) {
	if (typeof payload === "string") {
		const bytes = () => formatHex(new TextEncoder().encode(payload));
		return [...(json || isJson(payload) && /^\s*[{[]/.test(payload) ? [["Formatted", () => formatJson(payload)]] : []), ["Text", () => formatText(payload)], ["Hex", bytes]];
	}
	return [["Hex", () => formatHex(fromBase64(base64 ?? ""))]];
}
