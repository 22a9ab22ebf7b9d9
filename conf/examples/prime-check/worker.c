/*
 * prime-check: a worker behind a gateway. It gets one request at a time from the gateway's stream, checks whether a number is prime, keeps the result,
 * hands a mail about it to the gateway, and only then answers 200, which tells the gateway that the request has been dealt with.
 *
 *	POST /prime-check     {"number":"17","email":"ann@example.com"} with the gateway's Idempotency-Key; the result
 *	GET  /prime-check     the results, newest first: ?page=1&per_page=50
 *	GET  /prime-check/ID  one result, or 404
 *	GET  /health          {"status":"healthy"}
 *	PUT  /fail            ?status=503&times=3: the next so many checks fail like that (to see what the gateway does)
 *
 * Whatever kills it in the middle, nothing is lost and nothing done twice: a request that was not answered comes again, under the same key, and finds
 * its result; and the mail carries a key of its own by which the gateway knows it.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http.h"
#include "post.h"
#include "results.h"

#define TRACEPARENT_LEN 55 /* 00-<trace id>-<span id>-<flags> */

static const char *mail_url; /* where mails go; NULL: nowhere */
static int fail_status, fail_times;
static volatile sig_atomic_t stop;

/* ---- the request */

/* The member `name` of a JSON object whose value is a string without escapes: its length and start, or NULL. Enough for what the gateway lets through. */
static const char *
member(const char *json, const char *name, size_t *n)
{
	char quoted[32];
	const char *at;

	snprintf(quoted, sizeof(quoted), "\"%s\"", name);
	at = strstr(json, quoted);
	if (!at)
		return NULL;
	at += strlen(quoted);
	at += strspn(at, " \t\r\n");
	if (*at++ != ':')
		return NULL;
	at += strspn(at, " \t\r\n");
	if (*at++ != '"')
		return NULL;
	*n = strcspn(at, "\"\\");
	return at[*n] == '"' ? at : NULL;
}

/* Copies n bytes of what may stand in a line of the results and in a header: visible ASCII without quotes. */
static bool
copy_word(char *to, size_t size, const char *from, size_t n)
{
	if (n >= size)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isgraph((unsigned char)from[i]) || from[i] == '"' || from[i] == '\\')
			return false;
	memcpy(to, from, n);
	to[n] = '\0';
	return true;
}

/* Fills r, but for what is to be found out. NULL, or what is wrong. */
static const char *
read_request(const struct http_request *q, struct result *r)
{
	const char *number, *email;
	size_t n;

	*r = (struct result){ .time = time(NULL) };
	if (!*q->key || !copy_word(r->key, sizeof(r->key), q->key, strlen(q->key)))
		return "an Idempotency-Key of at most 64 characters is needed";
	number = member(q->body, "number", &n);
	if (!number || !copy_word(r->number, sizeof(r->number), number, n))
		return "number: 1 to 255 decimal digits are needed";
	email = member(q->body, "email", &n);
	if (email && !copy_word(r->email, sizeof(r->email), email, n))
		return "email: not an address";
	copy_word(r->user, sizeof(r->user), q->user, strlen(q->user));
	if (strlen(q->trace) == TRACEPARENT_LEN)
		copy_word(r->trace, sizeof(r->trace), q->trace + 3, TRACE_LEN);
	return NULL;
}

/* ---- what comes of it */

static int
complain(FILE *out, int status, const char *why)
{
	fprintf(out, "{\"error\":\"%s\"}\n", why);
	return status;
}

/* The mail's record, which the gateway's stream turns into a mail. False: the gateway did not take it. */
static bool
send_mail(const struct result *r, const char *traceparent)
{
	char key[KEY_MAX + 8], *body = NULL;
	size_t n = 0;
	FILE *out;
	int status;

	if (!mail_url || !*r->email)
		return true;
	out = open_memstream(&body, &n);
	if (!out)
		return false;
	snprintf(key, sizeof(key), "%s-mail", r->key);
	fprintf(out,
	    "{\"request_id\":\"%s\",\"user_id\":\"%s\",\"email\":\"%s\",\"number_text\":\"%s\","
	    "\"is_prime\":%s,"
	    "\"message_id\":\"msg_%s_%lld\",\"subject\":\"Prime Check Result: %s is "
	    "%s!\",\"body\":\"%s %s is %s prime number.\"}",
	    r->key, r->user, r->email, r->number, r->is_prime ? "true" : "false", r->key,
	    (long long)r->time, r->number, r->is_prime ? "Prime" : "not Prime",
	    r->is_prime ? "Good news! The number" : "The number", r->number,
	    r->is_prime ? "a" : "not a");
	fclose(out);
	status = http_post(mail_url, key, traceparent, r->user, body);
	free(body);
	return status >= 200 && status < 300;
}

static int
check(const struct http_request *q, FILE *out)
{
	const struct result *known;
	struct result r;
	const char *wrong;

	if (fail_times != 0) {
		fail_times -= fail_times > 0;
		return complain(out, fail_status, "told to fail");
	}
	wrong = read_request(q, &r);
	if (wrong)
		return complain(out, 400, wrong);
	known = results_find(r.key);
	if (!known) {
		enum prime_answer answer = prime_check(r.number, strlen(r.number));

		if (answer == PRIME_INVALID)
			return complain(out, 400, "number: 1 to 255 decimal digits are needed");
		r.is_prime = answer == PRIME_YES;
		if (results_add(&r))
			return complain(out, 503, "the result could not be kept");
		known = results_find(r.key);
	}
	if (!send_mail(known, q->trace))
		return complain(out, 503, "the mail could not be handed over");
	results_print(known, out);
	return 200;
}

/* ---- the other requests */

/* A number of the query, or what holds without it. */
static long
query_number(const char *query, const char *name, long otherwise)
{
	size_t n = strlen(name);

	for (const char *at = query; *at; at += strcspn(at, "&"), at += *at == '&')
		if (strncmp(at, name, n) == 0 && at[n] == '=')
			return strtol(at + n + 1, NULL, 10);
	return otherwise;
}

static int
list(const struct http_request *q, FILE *out)
{
	long page = query_number(q->query, "page", 1),
	     per_page = query_number(q->query, "per_page", 50);
	size_t from;

	if (page < 1 || page > 1000000 || per_page < 1 || per_page > 500)
		return complain(out, 400, "page from 1, per_page from 1 to 500");
	fprintf(out, "{\"items\":[");
	from = (size_t)(page - 1) * (size_t)per_page;
	for (size_t i = from; i < results_count() && i < from + (size_t)per_page; i++) {
		fputs(i > from ? "," : "", out);
		results_print(results_newest(i), out);
	}
	fprintf(out, "],\"total\":%zu,\"page\":%ld,\"per_page\":%ld}\n", results_count(), page,
	    per_page);
	return 200;
}

static int
show(const char *id, FILE *out)
{
	const struct result *r = results_find(id);

	if (!r)
		return complain(out, 404, "no result of this id");
	results_print(r, out);
	return 200;
}

static int
set_failure(const struct http_request *q, FILE *out)
{
	long status = query_number(q->query, "status", 503),
	     times = query_number(q->query, "times", 1);

	if (status < 200 || status > 599)
		return complain(out, 400, "status from 200 to 599");
	fail_status = (int)status;
	fail_times = (int)times;
	fprintf(out, "{\"status\":%d,\"times\":%d}\n", fail_status, fail_times);
	return 200;
}

static int
handle(const struct http_request *q, FILE *out)
{
	static const char one[] = "/prime-check/";
	int get = strcmp(q->method, "GET") == 0;

	if (strcmp(q->path, "/prime-check") == 0)
		return get ? list(q, out) : check(q, out);
	if (get && strncmp(q->path, one, sizeof(one) - 1) == 0)
		return show(q->path + sizeof(one) - 1, out);
	if (get && strcmp(q->path, "/health") == 0) {
		fprintf(out, "{\"status\":\"healthy\"}\n");
		return 200;
	}
	if (strcmp(q->method, "PUT") == 0 && strcmp(q->path, "/fail") == 0)
		return set_failure(q, out);
	return complain(out, 404, "not found");
}

/* ---- the program */

static void
on_signal(int number)
{
	(void)number;
	stop = 1;
}

static int
usage(void)
{
	fprintf(
	    stderr, "usage: prime-check [-a ADDRESS] [-p PORT] [-r RESULTS-FILE] [-m MAIL-URL]\n");
	return 1;
}

int
main(int argc, char **argv)
{
	const char *address = "127.0.0.1", *port = "8081", *results = "prime-check.results";
	struct sigaction action = { .sa_handler = on_signal };
	int option, listener;

	while ((option = getopt(argc, argv, "a:p:r:m:")) != -1) {
		switch (option) {
		case 'a':
			address = optarg;
			break;
		case 'p':
			port = optarg;
			break;
		case 'r':
			results = optarg;
			break;
		case 'm':
			mail_url = optarg;
			break;
		default:
			return usage();
		}
	}
	if (optind < argc)
		return usage();
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	if (results_open(results) || (listener = http_listen(address, port)) < 0)
		return 2;
	fprintf(stderr, "prime-check: listening on %s:%s, %zu results\n", address, port,
	    results_count());
	http_serve(listener, handle, &stop);
	return 0;
}
