/*
 * The server's running state: connections, and what one holds while a request is in flight. Private
 * to http/.
 *
 * An idle connection is a struct http_conn and nothing else. A task that serves one adds a struct
 * http_work (head, buffers), taken from a pool and given back when the connection goes idle.
 */
#ifndef SLUICE_HTTP_PRIV_H
#define SLUICE_HTTP_PRIV_H

#include <netinet/in.h>

#include "base/buf.h"
#include "base/hash.h"
#include "http/chunk.h"
#include "http/conf_priv.h"
#include "http/server.h"

#define HTTP_INPUT_SIZE (16u * 1024)

/* Received bytes; those in [start, end) are not used up yet. */
struct http_input {
	char *p;
	size_t cap, start, end;
	bool pooled; /* behind its struct http_work; else of the heap */
};

struct http_gunzip;

/* The request's body on its way in. */
struct http_body {
	enum { HTTP_BODY_NONE, HTTP_BODY_LENGTH, HTTP_BODY_CHUNKED } kind;
	uint64_t left;               /* LENGTH: not yet taken from input or socket */
	struct chunk_decoder chunk;  /* CHUNKED */
	struct str window;           /* payload in the input, not yet handed on */
	uint64_t payload;            /* bytes of payload so far, as transferred */
	uint64_t content;            /* bytes handed on, decoded */
	uint64_t max, content_max;   /* limits of these two; 0: none */
	struct http_gunzip *gunzip;  /* while a gzip body is being decoded */
	struct buf gathered;         /* by http_body_gather, where the input has no room */
	struct str replay;           /* of it: to be read again after ERR_TOO_LARGE */
	struct str whole;            /* the result of http_body_gather */
	bool must_continue;          /* the client waits for 100 */
	bool keep_encoding, started; /* started: decoding was decided on */
	bool have_whole;
	int err; /* sticks */
};

/* The answer on its way out. */
struct http_answer {
	struct buf extra; /* added headers, as lines */
	struct buf out;   /* head, and what is sent with it */
	uint64_t left;    /* of the announced length */
	uint64_t length;  /* that, where has_length */
	size_t head;      /* bytes of the head */
	char type[64];    /* Content-Type, as much as fits */
	uint8_t type_n;
	bool begun, ended, chunked, no_body, has_length;
	int err; /* of writing; sticks */
};

/* An address without the room for long unix paths. */
union http_peer {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct http_work {
	struct http_conn *conn;
	struct http_request req;
	const struct http_scope *scope; /* of location, server or default server */
	struct http_input in;
	/* body bytes are received behind the head, which is borrowed until the answer */
	size_t head_end;
	struct http_input held; /* the head's buffer, when the body needed one of its own */
	struct http_body body;
	struct http_answer answer;
	struct http_route route;
	bool linger;  /* bytes of the client may be under way that nobody will read */
	bool over;    /* the connection ends with this request */
	bool counted; /* http_run_counts was called */
	bool has_real;
	union http_peer real;   /* the client behind a trusted proxy */
	int64_t keep;           /* how long the connection may be idle after this request */
	struct str *set_values; /* by number, in the arena; NULL: nothing was set */
	int64_t ended;          /* when the request was over; 0: not yet */
	size_t scratch_n;       /* used of scratch */
	char scratch[512];      /* for values of variables */
	char id[2 * ID_LEN + 1];
	char host[256];
	char client[ADDR_TEXT_MAX];
	struct http_head head; /* last: mostly unused headers */
};

struct http_conn {
	struct conn conn;
	struct timer timer; /* idle; armed at or before idle_deadline, moved lazily */
	struct list link;   /* all connections; oldest idle first */
	const struct http_listen *listen;
	struct http_work *work; /* NULL while idle */
	struct task_handle task;
	int64_t idle_deadline;
	union http_peer peer;
	uint32_t requests, number; /* number: of the connection, in this process */
	bool idle;                 /* no task */
	bool ready_tls;            /* handshake done */
	bool watched;              /* http_watch_client */
	bool timed_out;            /* for reset_timedout_connection */
};
_Static_assert(sizeof(struct http_conn) <= 256, "ten thousand of these are to be idle in 4 MiB");

/* work.c */
struct http_work *http_work_take(struct http_conn *hc); /* NULL without memory */
void http_work_give(struct http_work *w);
/* Ready for the next request; input and pools kept. */
void http_work_reset(struct http_work *w);
/* A buffer of the heap, in place of a work's own. */
bool http_input_new(struct http_input *in, size_t cap);
void http_input_free(struct http_input *in);

/* conn.c */
/* Takes fd. */
void http_conn_start(int fd, const struct addr *peer, const struct http_listen *l);
void http_conn_drain(void);
/* Closes the connection that is idle for longest and has said nothing; false: none is. */
bool http_conn_drop_idle(void);

/* listener.c */
bool http_draining(void);

/* request.c */
/* From the head, already read (err 0) or refused with err, to the end of the answer. True: the
 * connection goes on. Parks. */
bool http_serve_request(struct http_work *w, int err);

/* Requests being answered. */
unsigned http_serving(void);

/* metrics.c: one that was accepted. */
void http_count_connection(bool handled);

/* input.c */
/* Reads a head: 0; ERR_AGAIN: nothing is there, go idle; ERR_CLOSED, ERR_CANCELLED: give up; other
 * errors are to be answered. Parks. */
int http_read_head(struct http_work *w);
/* Ids of the request: its own or the client's; what is in r->head must stay. */
void http_identify(struct http_work *w);

/* body.c */
void http_body_begin(struct http_work *w);
void http_body_end(struct http_work *w); /* frees what it holds */
/* True if nothing of the body is left to come, or what is left is little and will come without
 * being asked for. */
bool http_body_skippable(struct http_work *w);
/* Takes in what is left of it. Parks. */
int http_body_skip(struct http_work *w);
/* A stretch of payload as transferred, borrowed until the next call: bytes, 0 at its end, or an
 * error. Parks. */
ssize_t http_body_window(struct http_work *w);

/* gunzip.c: over http_body_window. */
bool http_gunzip_wanted(const struct http_head *h);
struct http_gunzip *http_gunzip_new(void);
void http_gunzip_free(struct http_gunzip *z);
ssize_t http_gunzip_read(struct http_work *w, void *p, size_t n);

/* set.c: runs the `set`s of the server and the location that was reached. */
void http_run_sets(struct http_work *w);

/* add_header.c: adds what the configuration wants of an answer of this status. */
void http_put_added(struct http_work *w);

/* message.c: JSON or HTML, as the client prefers. Appends to out and returns the content type. */
const char *http_message_text(
    const struct http_head *h, int status, const char *text, struct buf *out);

/* phase.c */
/* From the request's first byte until now, or until it was over. */
int64_t http_request_time(const struct http_request *r);
void http_run_routed(struct http_request *r);
int http_run_phases(struct http_request *r);
/* Once a request: later calls do nothing. */
void http_run_counts(struct http_request *r);
void http_run_logs(struct http_request *r);

#endif
