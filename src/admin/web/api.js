/*
 * The only door to the server: the admin API below this page's own folder. Knows the key, says who may not come in any more, and whether the
 * server answers at all.
 *
 * The key is kept in memory; in sessionStorage, which ends with the tab, only if the person said so.
 */

const BASE = new URL("api/", new URL(".", import.meta.url));
const KEPT = "sluice.key";
const PATIENCE_MS = 30000;

let key = null;
let up = true;
const listeners = { up: [], refused: [] };

export class ApiError extends Error {
	constructor(status, message, answer = null) {
		super(message);
		this.status = status; /* 0: no answer */
		this.answer = answer;
	}
}

/* up(isUp, why): the server stopped or began to answer. refused(why): the key is not good any more. */
export function listen(event, fn) {
	listeners[event].push(fn);
}

function tellUp(now, why) {
	if (up !== now) {
		up = now;
		listeners.up.forEach((fn) => fn(now, why));
	}
}

export function hasKey() {
	return key !== null;
}

export function takeKeptKey() {
	key = sessionStorage.getItem(KEPT);
	return key !== null;
}

export function forgetKey() {
	key = null;
	sessionStorage.removeItem(KEPT);
}

/* Tries the key, and keeps it if it opens the door; else an ApiError says why not. */
export async function logIn(candidate, keep) {
	if (!/^[\x21-\x7e]{1,512}$/.test(candidate)) {
		throw new ApiError(0, "Invalid API key: letters, digits and signs without spaces are needed");
	}
	key = candidate;
	try {
		await get("status");
	} catch (problem) {
		key = null;
		throw problem;
	}
	if (keep) {
		sessionStorage.setItem(KEPT, candidate);
	}
}

function address(path, query) {
	const url = new URL(path, BASE);
	for (const [name, value] of Object.entries(query)) {
		if (value !== "" && value !== null && value !== undefined) {
			url.searchParams.set(name, value);
		}
	}
	return url;
}

async function ask(path, query, options) {
	const wanted = AbortSignal.timeout(PATIENCE_MS);
	const used = key;
	let answer;
	try {
		answer = await fetch(address(path, query), {
			...options,
			cache: "no-store",
			credentials: "omit",
			redirect: "error",
			referrerPolicy: "no-referrer",
			headers: { "X-API-Key": used ?? "", ...(options.body ? { "Content-Type": "application/json" } : {}) },
			signal: options.signal ? AbortSignal.any([wanted, options.signal]) : wanted,
		});
	} catch (problem) {
		if (options.signal?.aborted) {
			throw problem;
		}
		const why = problem.name === "TimeoutError" ? "The server does not answer in time." : "The server does not answer.";
		tellUp(false, why);
		throw new ApiError(0, why);
	}
	if (answer.ok) {
		tellUp(true);
		return answer;
	}
	throw await failure(answer, used);
}

/* Errors of the API are {"error": …}; anything else is of something in between. */
async function failure(answer, used) {
	const text = await answer.text().catch(() => "");
	let told = null;
	try {
		told = JSON.parse(text);
	} catch {
		/* no JSON: told stays null */
	}
	const isOurs = typeof told?.error === "string";
	if (!isOurs && answer.status >= 500) {
		tellUp(false, `The server does not answer (${answer.status}).`);
	} else {
		tellUp(true);
	}
	const message = isOurs ? told.error : told?.message ?? `The server answers ${answer.status}.`;
	if (answer.status === 401 && used === key && key !== null) {
		listeners.refused.forEach((fn) => fn(message));
	}
	return new ApiError(answer.status, message, told);
}

export async function get(path, query = {}, signal = undefined) {
	return (await ask(path, query, { method: "GET", signal })).json();
}

export async function post(path, body) {
	return (await ask(path, {}, { method: "POST", body: JSON.stringify(body) })).json();
}

export async function remove(path, body = null, query = {}) {
	return (await ask(path, query, { method: "DELETE", ...(body ? { body: JSON.stringify(body) } : {}) })).json();
}

export async function bytesOf(path) {
	return (await ask(path, {}, { method: "GET" })).blob();
}
