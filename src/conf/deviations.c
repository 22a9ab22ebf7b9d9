/*
 * Where a directive of nginx's means something else here, on purpose: the one table of it. The reference prints it.
 */
#include "conf/conf_priv.h"

const struct conf_deviation conf_deviations[] = {
	{ "signals TERM, INT", "graceful, as QUIT; a second one stops fast" },
	{ "daemon", "off by default" },
	{ "worker_processes", "auto by default; auto obeys cgroup limits" },
	{ "worker_connections", "by default the limit of open files less 64" },
	{ "underscores_in_headers", "on by default: USER_TOKEN has one" },
	{ "client_max_body_size", "64m by default in locations that ingest" },
	{ "error_log",
	    "standard error and level info by default; in effect from the main context" },
	{ "access_log",
	    "without one, request lines go to the server's own log; neither syslog nor "
	    "gzip, no variables in paths; escape=logfmt and formats json and logfmt besides" },
	{ "return in a location", "comes after limits, allow, deny and auth, not before" },
	{ "real_ip_header", "the PROXY protocol is not spoken; set_real_ip_from takes no names" },
	{ "map", "expressions do not capture; results may hold variables all the same" },
	{ "geo", "no ranges, delete, proxy; networks only" },
	{ "set", "all of a block run before its return, wherever they stand" },
	{ "log_format escape=json", "invalid UTF-8 becomes U+FFFD, so that lines stay JSON" },
	{ "listen ... ssl, ssl_protocols",
	    "TLS 1.2 is the newest there is; TLSv1.3 alone is refused" },
	{ "location ~, server_name ~", "POSIX extended expressions; \\d \\w \\s \\b (? and lazy "
				       "quantifiers are refused by the name of the POSIX form" },
	{ "root, index, try_files", "static files are not served" },
	{ "error pages", "JSON, unless Accept prefers text/html" },
	{ "return in a location with limit_req, limit_conn",
	    "limits, allow, deny and auth come first; in nginx return does" },
	{ "limit_req_zone, limit_conn_zone",
	    "all zones share the memory of limit_zone_size; when it is full, who was seen longest "
	    "ago is forgotten, and if nobody can be, limit_fallback decides" },
	{ "limit_req", "times are exact to the nanosecond; refusals carry Retry-After" },
	{ "limit_req, limit_conn", "keys of any length count: a long one is no way around them" },
	{ "control?cmd=reset and delete of nginx-module-vts",
	    "by POST, from pages of this server only; GET over a unix socket or with a key of the "
	    "role admin; vhost_traffic_status_control_get on allows anybody's" },
	{ "format/prometheus of nginx-module-vts",
	    "without the sum zone, which would count everything twice in sum(); families in one "
	    "piece; a content type with its version" },
	{ "vhost_traffic_status_display of nginx-module-vts", "in locations only" },
	{ "vts_status of ngx_vts", "nginx_vts_upstream_zones_total is a counter by type" },
	{ "vhost_traffic_status_dump", "the path is absolute; the file is sluice's own format" },
	{ "vhost_traffic_status_bypass_stats",
	    "auto by default: scrapes by vts_status do not count" },
	{ "vhost_traffic_status_limit_traffic, _limit_traffic_by_set_key",
	    "codes 400 to 599; limits of upstreams and caches (UA@, UG@, CC@) never hold" },
	{ "vhost_traffic_status_histogram_buckets, _filter_max_node",
	    "a node keeps the bounds of the first request that a process counts in it; keys are "
	    "bounded by their group's name" },
	{ NULL, NULL },
};
