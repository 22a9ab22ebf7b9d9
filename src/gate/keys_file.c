/*
 * Changing a keys file: under a lock of its folder the text is read, held to be valid, changed by a line, and replaced as a whole, so
 * that a server never reads half of it, two operators never undo each other, and comments stay. Owner and mode stay, too: a server
 * that runs as another user must still be able to read it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "gate/keys.h"

#define HEADER                                                                                    \
	"# API keys: SHA-256 of the key, name, role, expiry or -, created. Changed by sluicectl " \
	"keys.\n"

struct change {
	const char *path;
	struct buf folder, temporary;
	struct buf text;   /* as it is, then as it is to be */
	struct keys *keys; /* as it was */
	struct stat st;    /* of the file; st_nlink 0: it is new */
	int lock;
	struct buf *errors;
};

static int
fail(struct change *c, const char *what, int err)
{
	buf_printf(c->errors, "%s: %s: %s\n", c->path, what,
	    errno != 0 ? log_errno_text(errno) : err_text(err));
	return err;
}

static void
name_paths(struct change *c)
{
	ptrdiff_t slash = str_rfind(str_of(c->path), '/');

	buf_init(&c->folder, 0);
	buf_init(&c->temporary, 0);
	buf_put(&c->folder, slash < 0 ? "." : c->path, slash > 0 ? (size_t)slash : 1);
	buf_printf(&c->temporary, "%s.new", c->path);
}

static int
lock_folder(struct change *c)
{
	int err;

	errno = 0;
	c->lock = file_open(buf_cstr(&c->folder), O_RDONLY | O_DIRECTORY);
	if (c->lock < 0)
		return fail(c, "cannot open its folder", c->lock);
	err = flock(c->lock, LOCK_EX) == 0 ? 0 : err_from_errno(errno);
	return err ? fail(c, "cannot lock its folder", err) : 0;
}

static int
read_text(struct change *c)
{
	char *text;
	size_t n;
	int err;

	errno = 0;
	buf_init(&c->text, KEYS_FILE_MAX);
	if (stat(c->path, &c->st) != 0) {
		c->st.st_nlink = 0;
		if (errno != ENOENT)
			return fail(c, "cannot be read", err_from_errno(errno));
		buf_puts(&c->text, HEADER);
		return keys_parse(buf_str(&c->text), c->path, &c->keys, c->errors);
	}
	err = file_read_all(c->path, KEYS_FILE_MAX, &text, &n);
	if (err != 0)
		return fail(c, "cannot be read", err);
	buf_put(&c->text, text, n);
	free(text);
	if (n > 0 && c->text.p[n - 1] != '\n')
		buf_putc(&c->text, '\n');
	return keys_parse(buf_str(&c->text), c->path, &c->keys, c->errors);
}

static int
write_temporary(struct change *c, const char *path)
{
	int fd, err = file_unlink(path);

	if (err != 0)
		return err;
	fd = file_open(path, O_WRONLY | O_CREAT | O_EXCL);
	if (fd < 0)
		return fd;
	err = file_write_all(fd, c->text.p, c->text.n, 0);
	if (err == 0 && c->st.st_nlink > 0 &&
	    ((fchown(fd, c->st.st_uid, c->st.st_gid) != 0 && errno != EPERM) ||
		fchmod(fd, c->st.st_mode & 0777) != 0))
		err = err_from_errno(errno);
	if (err == 0)
		err = file_sync(fd);
	return file_close(fd) != 0 && err == 0 ? ERR_IO : err;
}

static int
replace(struct change *c)
{
	const char *temporary = buf_cstr(&c->temporary);
	int err, saved;

	errno = 0;
	if (buf_failed(&c->text) || buf_failed(&c->temporary) || buf_failed(&c->folder))
		return fail(c, "cannot be changed",
		    buf_failed(&c->text) ? buf_failed(&c->text) : ERR_NOMEM);
	err = write_temporary(c, temporary);
	if (err == 0)
		err = file_rename(temporary, c->path);
	if (err != 0) {
		saved = errno;
		file_unlink(temporary);
		errno = saved;
	} else {
		err = file_sync_dir(buf_cstr(&c->folder));
	}
	return err ? fail(c, "cannot be replaced", err) : 0;
}

static int
begin(struct change *c, const char *path, struct buf *errors)
{
	int err;

	*c = (struct change){ .path = path, .errors = errors, .lock = -1 };
	name_paths(c);
	err = lock_folder(c);
	return err ? err : read_text(c);
}

static void
end(struct change *c)
{
	if (c->lock >= 0)
		close(c->lock);
	keys_free(c->keys);
	if (c->text.p != NULL)
		wipe(c->text.p, c->text.cap);
	buf_fini(&c->text);
	buf_fini(&c->folder);
	buf_fini(&c->temporary);
}

/* Letters and digits, each as likely as the others: random bytes beyond the last whole 62 are left out. */
static void
make_secret(char secret[KEYS_SECRET_LEN + 1])
{
	static const char alphabet[] =
	    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	unsigned char byte;
	size_t n = 3;

	memcpy(secret, "sk_", n);
	while (n < KEYS_SECRET_LEN) {
		random_bytes(&byte, 1);
		if (byte < 248)
			secret[n++] = alphabet[byte % 62];
	}
	secret[n] = '\0';
}

static void
put_time(struct buf *out, int64_t wall_ns)
{
	char text[CLOCK_RFC3339_LEN + 1];

	clock_rfc3339(wall_ns, text);
	buf_printf(out, " %.19sZ", text);
}

int
keys_add(const char *path, struct str name, enum key_role role, int64_t expires,
    char secret[KEYS_SECRET_LEN + 1], struct buf *errors)
{
	unsigned char digest[SHA256_LEN];
	struct change c;
	int err = begin(&c, path, errors);

	if (err == 0 && keys_find_name(c.keys, name) != NULL)
		err = ERR_EXISTS;
	if (err == 0) {
		make_secret(secret);
		sha256(secret, KEYS_SECRET_LEN, digest);
		buf_put_hex(&c.text, digest, sizeof(digest));
		buf_printf(&c.text, " %.*s %s", STR_ARG(name), keys_role_name(role));
		if (expires != 0)
			put_time(&c.text, expires);
		else
			buf_puts(&c.text, " -");
		put_time(&c.text, clock_wall());
		buf_putc(&c.text, '\n');
		err = replace(&c);
	}
	if (err != 0)
		wipe(secret, KEYS_SECRET_LEN + 1);
	end(&c);
	return err;
}

/* Without the line'th line. */
static void
drop_line(struct buf *text, unsigned line)
{
	struct str rest = buf_str(text), dropped = { NULL, 0 };
	size_t from;

	for (unsigned i = 0; i < line; i++)
		dropped = str_split(&rest, '\n');
	from = (size_t)(dropped.p - text->p);
	memmove(text->p + from, rest.p, rest.n);
	text->n = from + rest.n;
}

int
keys_revoke(const char *path, struct str name, struct buf *errors)
{
	const struct key *key = NULL;
	struct change c;
	int err = begin(&c, path, errors);

	if (err == 0 && (key = keys_find_name(c.keys, name)) == NULL)
		err = ERR_NOT_FOUND;
	if (err == 0) {
		drop_line(&c.text, key->line);
		err = replace(&c);
	}
	end(&c);
	return err;
}
