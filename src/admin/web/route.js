/*
 * Where the reader is, kept behind the # of the address, so that the back button, links and bookmarks work and no proxy can misplace it:
 * #/dead-letters/ID?status=pending
 */

export function href(path, params = {}) {
	const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== "" && value !== null && value !== undefined));
	const text = query.toString();
	return `#/${path.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

/* {path: ["dead-letters", ID], params: {status: "pending"}} */
export function here() {
	const [, path = "", query = ""] = /^#?\/?([^?]*)\??(.*)$/s.exec(location.hash);
	const parts = path.split("/").filter((part) => part !== "");
	return { path: parts.map(decode), params: Object.fromEntries(new URLSearchParams(query)) };
}

function decode(part) {
	try {
		return decodeURIComponent(part);
	} catch {
		return part;
	}
}

export function go(path, params = {}) {
	location.hash = href(path, params);
}

/* The same place with other parameters: no new step for the back button. */
export function amend(path, params) {
	history.replaceState(null, "", href(path, params));
	window.dispatchEvent(new HashChangeEvent("hashchange"));
}
