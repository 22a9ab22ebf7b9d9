/*
 * URLs of destinations, as configurations give them. Called at configuration time.
 */
#include "http/client.h"
#include "http/head_class.h"
#include "net/addr.h"

int
http_url_parse(struct str url, struct http_url *out)
{
	struct str rest, authority;

	*out = (struct http_url){ .port = 80 };
	if (url.n > 7 && str_ieq(str_sub(url, 0, 7), STR("http://"))) {
		rest = str_from(url, 7);
	} else if (url.n > 8 && str_ieq(str_sub(url, 0, 8), STR("https://"))) {
		rest = str_from(url, 8);
		out->https = true;
		out->port = 443;
	} else {
		return ERR_BAD;
	}
	authority = rest;
	for (authority.n = 0; authority.n < rest.n && rest.p[authority.n] != '/';)
		authority.n++;
	out->path = str_from(rest, authority.n);
	if (out->path.n == 0)
		out->path = STR("/");
	if (authority.n == 0 || !http_all_class(authority, HTTP_CLASS_HOST) ||
	    !http_all_class(out->path, HTTP_CLASS_TARGET))
		return ERR_BAD;
	if (addr_split(authority, &out->host, &out->port) < 0 || out->port == 0 || !out->host.n)
		return ERR_BAD;
	return 0;
}
