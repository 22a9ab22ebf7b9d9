/*
 * sluice: the command line. What it does is in master.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/heap.h"
#include "http/variable.h"
#include "server/daemon.h"
#include "server/master.h"
#include "server/state.h"
#include "server/title.h"
#include "server/version.h"
#include "status/metrics.h"

#define CONF_DEFAULT SLUICE_CONF_PATH
#define CONF_FALLBACK \
	"/etc/lightfile6/config.yml" /* where only the ingest service's own is there */

struct options {
	struct generation_source run;
	const char *signal;
	bool test, dump, quiet, reference_mdoc, reference_markdown;
};

static const char usage_text[] =
    "usage: sluice [-p port] [-c file] [-t] [-T] [-q] [-g \"directives;\"] [-s "
    "stop|quit|reload|reopen] [-V] [-h]\n"
    "  -p port   port of the first listen; required with a .yml file\n"
    "  -c file   configuration (default " CONF_DEFAULT ",\n"
    "            or " CONF_FALLBACK " where only that one exists)\n"
    "  -t        test the configuration and exit\n"
    "  -T        test it, print it and exit\n"
    "  -q        no messages but errors with -t\n"
    "  -g text   directives added to the main context\n"
    "  -s name   send a signal to the running server: stop, quit, reload, reopen\n"
    "  -V, -v    version\n"
    "  -h        this help\n"
    "exit status: 0 clean, 1 usage or configuration, 2 could not start, 3 stopped with data still "
    "waiting on disk\n";

static int
usage(const char *problem)
{
	fprintf(stderr, "sluice: %s\n%s", problem, usage_text);
	return EXIT_USAGE;
}

static bool
is_yml(const char *path)
{
	return str_ends(str_of(path), STR(".yml"));
}

static int
parse_port(const char *text, unsigned *port)
{
	uint64_t value;

	if (str_to_u64(str_of(text), &value) != 0 || value == 0 || value > 65535)
		return -1;
	*port = (unsigned)value;
	return 0;
}

/* 0; -1: a message was printed, exit 1; 1: done, exit 0. */
static int
parse_options(int argc, char **argv, struct options *o)
{
	int c;

	for (int i = 1; i < argc; i++) {
		o->reference_mdoc |= strcmp(argv[i], "--reference-mdoc") == 0;
		o->reference_markdown |= strcmp(argv[i], "--reference-markdown") == 0;
	}
	if (o->reference_mdoc || o->reference_markdown)
		return 0;
	while ((c = getopt(argc, argv, "p:c:tTqg:s:vVh")) != -1) {
		switch (c) {
		case 'p':
			if (parse_port(optarg, &o->run.port) != 0) {
				usage("-p: a port from 1 to 65535 is needed");
				return -1;
			}
			break;
		case 'c':
			o->run.conf_path = optarg;
			break;
		case 'T':
			o->dump = true;
			o->test = true;
			break;
		case 't':
			o->test = true;
			break;
		case 'q':
			o->quiet = true;
			break;
		case 'g':
			o->run.globals = optarg;
			break;
		case 's':
			o->signal = optarg;
			break;
		case 'v':
		case 'V':
			printf("sluice %s (%s)\n", SLUICE_VERSION, SLUICE_BUILD);
			return 1;
		case 'h':
			fputs(usage_text, stdout);
			return 1;
		default:
			fputs(usage_text, stderr);
			return -1;
		}
	}
	if (optind < argc) {
		usage("unexpected argument");
		return -1;
	}
	return 0;
}

static int
print_reference(bool mdoc)
{
	struct buf out;

	buf_init(&out, 0);
	conf_reference(&out, mdoc);
	http_variable_reference(&out, mdoc);
	metrics_reference(&out, mdoc);
	fwrite(out.p, 1, out.n, stdout);
	return buf_failed(&out) || fflush(stdout) != 0 ? EXIT_USAGE : EXIT_CLEAN;
}

static int
test_configuration(const struct options *o, struct conf *c)
{
	struct buf out;

	if (!o->quiet)
		fprintf(
		    stderr, "sluice: configuration file %s test is successful\n", o->run.conf_path);
	if (!o->dump)
		return EXIT_CLEAN;
	buf_init(&out, 0);
	conf_dump(c, &out);
	fwrite(out.p, 1, out.n, stdout);
	return buf_failed(&out) || fflush(stdout) != 0 ? EXIT_USAGE : EXIT_CLEAN;
}

/* The pid in the file; 0: there is none. The file may lie in a folder of the configured user's, who could put any number there: from here on
 * we have no more rights than who wrote it. */
static long
read_pid(const char *path)
{
	char text[32] = "";
	struct stat st;
	int fd = file_open(path, O_RDONLY | O_NOFOLLOW);
	long pid = 0;

	if (fd < 0)
		return 0;
	if (file_read_full(fd, text, sizeof(text) - 1, 0) > 0 && fstat(fd, &st) == 0 &&
	    (geteuid() != 0 || st.st_uid == 0 || setuid(st.st_uid) == 0))
		pid = strtol(text, NULL, 10);
	close(fd);
	return pid;
}

static int
send_signal(const struct core_conf *core, const char *name)
{
	static const struct {
		const char *name;
		int signo;
	} signals[] = { { "stop", SIGTERM }, { "quit", SIGQUIT }, { "reload", SIGHUP },
		{ "reopen", SIGUSR1 } };
	char path[1024];
	long pid;

	state_pid_path(core, path, sizeof(path));
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		if (strcmp(signals[i].name, name) != 0)
			continue;
		pid = read_pid(path);
		if (pid <= 1 || kill((pid_t)pid, signals[i].signo) != 0) {
			fprintf(stderr, "sluice: no server is running: %s: %s\n", path,
			    strerror(errno));
			return EXIT_START;
		}
		return EXIT_CLEAN;
	}
	return usage("-s: stop, quit, reload or reopen is needed");
}

/* As many files as we may, or as the configuration says. */
static void
raise_limits(const struct core_conf *core)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	if (core->nofile > 0) {
		limit.rlim_cur = (rlim_t)core->nofile;
		limit.rlim_max = MAX(limit.rlim_max, limit.rlim_cur);
	} else {
		limit.rlim_cur = MIN(limit.rlim_max, (rlim_t)1 << 20);
	}
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		fprintf(stderr, "sluice: limit of open files: %s\n", strerror(errno));
}

static bool
logs_to_stderr(const struct core_conf *core)
{
	return core->error_log.n == 0 || str_is(core->error_log, "stderr");
}

/* Takes c. Whoever waits for the start looks at stderr first. */
static int
run(struct conf *c, const struct generation_source *from)
{
	char log[1024] = "";
	int status;

	if (!logs_to_stderr(core_of(c)))
		(void)str_copyz(log, sizeof(log), core_of(c)->error_log);
	status = master_run(c, from);
	if (status == EXIT_START && log[0] != '\0')
		fprintf(stderr, "sluice: could not start: %s says why\n", log);
	return status;
}

static int
start(struct options *o)
{
	char *messages;
	struct conf *c = core_load(o->run.conf_path, o->run.globals, o->run.port, &messages);

	if (messages != NULL && (c == NULL || !o->quiet))
		fputs(messages, stderr);
	free(messages);
	if (c == NULL) {
		fprintf(stderr, "sluice: Failed to load configuration %s\n", o->run.conf_path);
		return EXIT_USAGE;
	}
	if (o->test || o->signal != NULL) {
		int status =
		    o->test ? test_configuration(o, c) : send_signal(core_of(c), o->signal);

		conf_free(c);
		return status;
	}
	raise_limits(core_of(c));
	/* The folder stays: paths of the command line and the configuration may be relative, and a reload reads them again. */
	if (core_of(c)->run_as_daemon && daemon_detach(logs_to_stderr(core_of(c))) != 0) {
		fprintf(stderr, "sluice: daemon: %s\n", strerror(errno));
		return EXIT_START;
	}
	return run(c, &o->run);
}

int
main(int argc, char **argv)
{
	struct options o = { 0 };
	int parsed;

	heap_tune();
	title_init(argc, argv);
	file_test_init();
	core_register();
	parsed = parse_options(argc, argv, &o);
	if (parsed != 0)
		return parsed < 0 ? EXIT_USAGE : EXIT_CLEAN;
	if (o.reference_mdoc || o.reference_markdown)
		return print_reference(o.reference_mdoc);
	if (o.run.conf_path == NULL)
		o.run.conf_path =
		    access(CONF_DEFAULT, F_OK) != 0 && access(CONF_FALLBACK, F_OK) == 0
			? CONF_FALLBACK
			: CONF_DEFAULT;
	if (is_yml(o.run.conf_path) && o.run.port == 0 && o.signal == NULL)
		return usage("Port number is required (-p)");
	return start(&o);
}
