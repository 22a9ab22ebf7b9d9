/*
 * What a store's answer means for the delivery: the table of step 11. Pure. Called by s3.c.
 *
 * Nothing here drops anything: a refusal that names the object (too large, key too long, …)
 * holds the stream until somebody has looked at it.
 */
#include <stdio.h>

#include "sink/s3_priv.h"

/* Refusals by code that are over by themselves: the body was damaged or stalled on its way, or a
 * signature's time is off. */
static bool
is_passing(const char *code)
{
	static const char *const codes[] = { "RequestTimeout", "BadDigest", "IncompleteBody",
		"XAmzContentSHA256Mismatch", "SlowDown", "SlowDownRead", "SlowDownWrite",
		"ServiceUnavailable", "InternalError", "OperationAborted", "RequestLimitExceeded",
		"Throttling", "ThrottlingException", "TooManyRequests" };

	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (strcmp(code, codes[i]) == 0)
			return true;
	return false;
}

/* No answer. What a configuration got wrong is an error of the class "held"; if the request
 * left, nobody knows what became of it. */
static enum s3_verdict
judge_error(const struct store_answer *a, char *why, size_t cap)
{
	snprintf(why, cap, "%s", a->message[0] ? a->message : err_text(a->err));
	return err_class(a->err) == ERR_CLASS_HELD && !a->sent ? S3_HELD : S3_AGAIN;
}

static void
describe(const struct store_answer *a, bool head, char *why, size_t cap)
{
	const char *method = head ? "HEAD: " : "";

	if (a->status >= 300 && a->status < 400 && a->region[0])
		snprintf(why, cap, "%s%d %s: the bucket is in region %s, set \"region %s;\"",
		    method, a->status, a->code[0] ? a->code : "redirect", a->region, a->region);
	else
		snprintf(why, cap, "%s%d%s%s%s%s", method, a->status, a->code[0] ? " " : "",
		    a->code, a->message[0] ? ": " : "", a->message);
}

static enum s3_verdict
judge_status(int status, const char *code, bool head)
{
	if (status == 200 || (!head && (status == 201 || status == 204)))
		return S3_DONE;
	if (status == 404 && head && code[0] == '\0')
		return S3_MISSING;
	if (status == 412 && !head)
		return S3_EXISTS;
	if (is_passing(code))
		return S3_AGAIN;
	switch (status) {
	case 307: /* a young bucket's name is still spreading */
	case 408:
	case 409:
	case 425:
	case 429:
		return S3_AGAIN;
	case 501:
		return S3_HELD;
	default:
		return status >= 300 && status < 500 ? S3_HELD : S3_AGAIN;
	}
}

enum s3_verdict
s3_judge(const struct store_answer *a, bool head, char *why, size_t cap)
{
	if (a->err)
		return judge_error(a, why, cap);
	describe(a, head, why, cap);
	return judge_status(a->status, a->code, head);
}
