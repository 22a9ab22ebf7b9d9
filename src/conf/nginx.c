/*
 * What becomes of the directives of nginx (open source, 1.30) that we lack: each is refused, with
 * the reason, or accepted with a warning where ignoring it harms nobody. Refused is whatever would
 * change who may do what, where data goes, or what an answer says. A row of a module hides the one
 * here, so a directive that gets implemented needs no change in this file.
 *
 * A row stands for a group: its name lists the directives, its help is the reason.
 */
#include <limits.h>

#include "conf/conf_priv.h"

#define ANYWHERE (~0u)
#define IN_HTTP (CONF_HTTP | CONF_SERVER | CONF_LOCATION | CONF_IF)
#define TUNING "it tunes how nginx works inside"
#define FILES "static files are not served"

#define WARN(in, names, why)                                                            \
	{                                                                               \
		.name = (names), .contexts = (in), .max_args = UINT_MAX, .help = (why), \
		.flags = CONF_WARN | CONF_REPEAT                                        \
	}
#define REFUSE(in, names, why)                                                          \
	{                                                                               \
		.name = (names), .contexts = (in), .max_args = UINT_MAX, .help = (why), \
		.flags = CONF_REFUSE | CONF_REPEAT                                      \
	}

const struct conf_row conf_nginx_rows[] = {
	/* core */
	WARN(CONF_MAIN, "load_module", "modules are built in"),
	WARN(CONF_MAIN,
	    "debug_points lock_file pcre_jit thread_pool timer_resolution worker_priority "
	    "worker_cpu_affinity worker_rlimit_core working_directory quic_bpf "
	    "ssl_object_cache_inheritable google_perftools_profiles",
	    TUNING),
	WARN(CONF_MAIN, "worker_rlimit_nofile", "the limit of the environment holds"),
	WARN(CONF_MAIN, "env", "the environment is kept as it is"),
	WARN(CONF_MAIN | CONF_HTTP | CONF_SERVER | CONF_LOCATION, "error_log",
	    "the server's own log goes to stderr"),
	REFUSE(CONF_MAIN, "master_process", "a master process is always there"),
	REFUSE(CONF_MAIN, "ssl_engine", "TLS is BearSSL, which has no engines"),
	WARN(CONF_EVENTS,
	    "accept_mutex accept_mutex_delay multi_accept worker_aio_requests debug_connection "
	    "epoll_events kqueue_changes kqueue_events devpoll_changes devpoll_events "
	    "eventport_events poll_events select_events",
	    TUNING),
	WARN(CONF_EVENTS, "use", "the event method is chosen when the server is built"),
	REFUSE(CONF_MAIN, "mail imap", "mail is not proxied"),
	REFUSE(CONF_MAIN, "stream", "TCP and UDP are not proxied"),

	/* http core: how nginx works inside */
	WARN(IN_HTTP,
	    "aio aio_write directio directio_alignment sendfile sendfile_max_chunk tcp_nopush "
	    "tcp_nodelay output_buffers postpone_output read_ahead send_lowat open_file_cache "
	    "open_file_cache_errors open_file_cache_events open_file_cache_min_uses "
	    "open_file_cache_valid open_log_file_cache connection_pool_size request_pool_size "
	    "subrequest_output_buffer_size server_names_hash_bucket_size "
	    "server_names_hash_max_size types_hash_bucket_size types_hash_max_size "
	    "variables_hash_bucket_size variables_hash_max_size map_hash_bucket_size "
	    "map_hash_max_size referer_hash_bucket_size referer_hash_max_size "
	    "client_body_buffer_size client_body_in_single_buffer client_body_temp_path "
	    "client_header_buffer_size reset_timedout_connection chunked_transfer_encoding "
	    "ssl_buffer_size gzip_buffers gzip_hash gzip_no_buffer gzip_window "
	    "postpone_gzipping",
	    TUNING),
	WARN(IN_HTTP, "lingering_close lingering_time lingering_timeout",
	    "connections linger as long as an answer needs to arrive"),
	WARN(IN_HTTP,
	    "msie_padding msie_refresh keepalive_disable ancient_browser "
	    "ancient_browser_value modern_browser modern_browser_value",
	    "browsers of that age are not treated in a special way"),
	WARN(IN_HTTP, "keepalive_min_timeout keepalive_requests keepalive_time",
	    "keepalive_timeout alone decides"),
	WARN(IN_HTTP, "resolver resolver_timeout", "names are resolved where a store says so"),
	WARN(IN_HTTP, "auth_delay", "refusals are not delayed"),
	WARN(IN_HTTP, "server_tokens", "answers never show a version"),
	WARN(IN_HTTP,
	    "etag if_modified_since max_ranges disable_symlinks types default_type "
	    "log_not_found index",
	    FILES),
	WARN(IN_HTTP, "log_subrequest rewrite_log uninitialized_variable_warn",
	    "the server's own log decides what it shows"),
	WARN(IN_HTTP,
	    "absolute_redirect port_in_redirect server_name_in_redirect "
	    "recursive_error_pages merge_slashes ignore_invalid_headers",
	    "requests are answered the strict way"),

	/* http core: what decides answers */
	REFUSE(ANYWHERE, "root alias try_files", FILES),
	REFUSE(ANYWHERE, "internal post_action", "there are no internal redirects"),
	REFUSE(ANYWHERE, "limit_except satisfy", "allow, deny and auth must all agree"),
	REFUSE(ANYWHERE, "error_page", "errors are answered in JSON"),
	REFUSE(ANYWHERE, "limit_rate limit_rate_after", "answers are not slowed down"),
	REFUSE(ANYWHERE, "client_body_in_file_only", "bodies go into streams, see ingest"),
	REFUSE(ANYWHERE, "early_hints", "early hints are not passed on"),
	REFUSE(ANYWHERE, "max_headers", "see large_client_header_buffers for the limits"),
	REFUSE(ANYWHERE, "underscores_in_headers", "headers with underscores are always taken"),

	/* modules of http that others build on */
	REFUSE(
	    ANYWHERE, "auth_basic auth_basic_user_file", "passwords are not implemented, see auth"),
	REFUSE(ANYWHERE, "auth_request auth_request_set", "subrequests are not implemented"),
	REFUSE(ANYWHERE, "limit_zone", "see limit_conn_zone"),
	REFUSE(ANYWHERE, "add_header_inherit add_trailer add_trailer_inherit expires",
	    "see add_header"),
	REFUSE(ANYWHERE, "rewrite break if", "URIs are not rewritten, see location and return"),
	REFUSE(ANYWHERE,
	    "split_clients geoip_city geoip_country geoip_org geoip_proxy "
	    "geoip_proxy_recursive",
	    "variables are defined by set, map and geo"),
	REFUSE(ANYWHERE, "valid_referers", "variables are defined by set, map and geo"),
	REFUSE(ANYWHERE, "stub_status", "see metrics and health"),
	REFUSE(ANYWHERE,
	    "userid userid_domain userid_expires userid_flags userid_mark "
	    "userid_name userid_p3p userid_path userid_service",
	    "cookies are not set"),
	WARN(IN_HTTP,
	    "gzip gzip_comp_level gzip_disable gzip_http_version gzip_min_length gzip_proxied "
	    "gzip_types gzip_vary",
	    "answers are too small to be worth packing"),

	/* upstream and proxy */
	REFUSE(ANYWHERE,
	    "upstream zone state hash ip_hash keepalive least_conn least_time random sticky queue "
	    "ntlm health_check",
	    "requests are not proxied"),
	REFUSE(ANYWHERE,
	    "proxy_allow_upstream proxy_bind proxy_buffer_size proxy_buffering proxy_buffers "
	    "proxy_busy_buffers_size proxy_cache proxy_cache_background_update "
	    "proxy_cache_bypass proxy_cache_convert_head proxy_cache_key proxy_cache_lock "
	    "proxy_cache_lock_age proxy_cache_lock_timeout proxy_cache_max_range_offset "
	    "proxy_cache_methods proxy_cache_min_uses proxy_cache_path proxy_cache_purge "
	    "proxy_cache_revalidate proxy_cache_use_stale proxy_cache_valid "
	    "proxy_connect_timeout proxy_cookie_domain proxy_cookie_flags proxy_cookie_path "
	    "proxy_force_ranges proxy_headers_hash_bucket_size proxy_headers_hash_max_size "
	    "proxy_hide_header proxy_http_version proxy_ignore_client_abort "
	    "proxy_ignore_headers proxy_intercept_errors proxy_limit_rate "
	    "proxy_max_temp_file_size proxy_method proxy_next_upstream "
	    "proxy_next_upstream_timeout proxy_next_upstream_tries proxy_no_cache proxy_pass "
	    "proxy_pass_header proxy_pass_request_body proxy_pass_request_headers "
	    "proxy_pass_trailers proxy_read_timeout proxy_redirect proxy_request_buffering "
	    "proxy_request_dynamic proxy_send_lowat proxy_send_timeout proxy_set_body "
	    "proxy_set_header proxy_socket_keepalive proxy_ssl_certificate "
	    "proxy_ssl_certificate_cache proxy_ssl_certificate_key proxy_ssl_ciphers "
	    "proxy_ssl_conf_command proxy_ssl_crl proxy_ssl_key_log proxy_ssl_name "
	    "proxy_ssl_password_file proxy_ssl_protocols proxy_ssl_server_name "
	    "proxy_ssl_session_reuse proxy_ssl_trusted_certificate proxy_ssl_verify "
	    "proxy_ssl_verify_depth proxy_store proxy_store_access "
	    "proxy_temp_file_write_size proxy_temp_path",
	    "requests are not proxied"),
	REFUSE(ANYWHERE, "fastcgi_*", "FastCGI is not spoken"),
	REFUSE(ANYWHERE, "uwsgi_*", "uwsgi is not spoken"),
	REFUSE(ANYWHERE, "scgi_*", "SCGI is not spoken"),
	REFUSE(ANYWHERE, "grpc_*", "gRPC is not spoken"),
	REFUSE(ANYWHERE, "memcached_*", "memcached is not spoken"),
	REFUSE(ANYWHERE, "tunnel_*", "CONNECT is not tunnelled"),
	REFUSE(ANYWHERE, "mirror mirror_request_body", "requests are not mirrored"),
	REFUSE(ANYWHERE, "slice", "answers are not sliced"),

	/* TLS: BearSSL ends at TLS 1.2 */
	WARN(CONF_HTTP | CONF_SERVER, "ssl_prefer_server_ciphers",
	    "the order of the server always holds"),
	WARN(CONF_HTTP | CONF_SERVER, "ssl_dhparam", "key exchange is by elliptic curves only"),
	WARN(CONF_HTTP | CONF_SERVER,
	    "ssl_session_tickets ssl_session_ticket_key ssl_session_timeout ssl_session_cache",
	    "sessions are kept in a cache of the server's own"),
	WARN(CONF_HTTP | CONF_SERVER,
	    "ssl_certificate_cache ssl_certificate_compression ssl_stapling ssl_stapling_file "
	    "ssl_stapling_responder ssl_stapling_verify",
	    "certificates are sent as they are in the file"),
	WARN(CONF_HTTP | CONF_SERVER, "ssl_early_data", "TLS 1.2 has no early data"),
	REFUSE(ANYWHERE, "ssl", "say ssl in listen"),
	REFUSE(ANYWHERE,
	    "ssl_client_certificate ssl_trusted_certificate ssl_verify_client ssl_verify_depth "
	    "ssl_crl ssl_ocsp ssl_ocsp_cache ssl_ocsp_responder",
	    "certificates of clients are not asked for"),
	REFUSE(ANYWHERE,
	    "ssl_certificate ssl_certificate_key ssl_ciphers ssl_conf_command ssl_ecdh_curve "
	    "ssl_ech_file ssl_key_log ssl_password_file ssl_protocols ssl_reject_handshake",
	    "BearSSL has no such setting here"),
	REFUSE(ANYWHERE,
	    "http2 http2_body_preread_size http2_chunk_size http2_idle_timeout "
	    "http2_max_concurrent_pushes http2_max_concurrent_streams http2_max_field_size "
	    "http2_max_header_size http2_max_requests http2_pool_size http2_push "
	    "http2_push_preload http2_recv_buffer_size http2_recv_timeout "
	    "http2_streams_index_size",
	    "HTTP/2 is not spoken, HTTP/1.1 is"),
	REFUSE(ANYWHERE,
	    "http3 http3_hq http3_max_concurrent_streams http3_stream_buffer_size "
	    "quic_active_connection_id_limit quic_gso quic_host_key quic_retry",
	    "HTTP/3 is not spoken, HTTP/1.1 is"),

	/* content and filters */
	REFUSE(ANYWHERE,
	    "autoindex autoindex_exact_size autoindex_format autoindex_localtime random_index "
	    "gzip_static flv mp4 mp4_buffer_size mp4_max_buffer_size mp4_limit_rate "
	    "mp4_limit_rate_after mp4_start_key_frame empty_gif",
	    FILES),
	REFUSE(ANYWHERE, "create_full_put_path dav_access dav_methods min_delete_depth",
	    "WebDAV is not spoken, see ingest"),
	REFUSE(ANYWHERE,
	    "add_after_body add_before_body addition_types charset charset_map charset_types "
	    "override_charset source_charset gunzip gunzip_buffers image_filter "
	    "image_filter_buffer image_filter_interlace image_filter_jpeg_quality "
	    "image_filter_sharpen image_filter_transparency image_filter_webp_quality ssi "
	    "ssi_last_modified ssi_ignore_recycled_buffers ssi_min_file_chunk "
	    "ssi_silent_errors ssi_types ssi_value_length sub_filter sub_filter_last_modified "
	    "sub_filter_once sub_filter_types xml_entities xslt_last_modified xslt_param "
	    "xslt_string_param xslt_stylesheet xslt_types",
	    "answers are not changed on their way"),
	REFUSE(ANYWHERE, "secure_link secure_link_md5 secure_link_secret",
	    "signed links are not implemented"),
	REFUSE(ANYWHERE, "perl perl_modules perl_require perl_set js_*", "there is no scripting"),
	REFUSE(ANYWHERE, "otel_*", "traces are not exported"),
	REFUSE(ANYWHERE, "acme_*", "certificates are not fetched"),
	{ .name = NULL },
};

/* Whether the list of names, or a prefix in it, has this one. */
static bool
names_have(const char *names, struct str name)
{
	struct str rest = str_of(names);

	while (rest.p) {
		struct str one = str_split(&rest, ' ');

		if (str_ends(one, STR("*")) ? str_starts(name, str_sub(one, 0, one.n - 1))
					    : str_eq(name, one))
			return true;
	}
	return false;
}

const struct conf_row *
conf_nginx_find(struct str name, unsigned context)
{
	for (const struct conf_row *row = conf_nginx_rows; row->name; row++)
		if ((row->contexts & context) && names_have(row->name, name))
			return row;
	return NULL;
}
