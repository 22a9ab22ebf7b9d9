/* A request to somebody else. */
#ifndef POST_H
#define POST_H

/* POSTs a JSON body to http://HOST[:PORT]/PATH, waiting some seconds at most. key: its Idempotency-Key; trace: a traceparent, or "". The status, or 0 if there was
 * no answer. */
int http_post(
    const char *url, const char *key, const char *trace, const char *user, const char *body);

#endif
