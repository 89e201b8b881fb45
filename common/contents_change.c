/*
 * contents_change.c - directories, new names, and the end of names.
 *
 * A mutation whose answer was lost, or was a 500, may have been carried out
 * (the server makes a rename and then fails to tell). What is true afterwards
 * is asked with stat, which works for every name the server shows; about dot
 * names of a server that hides them it says nothing, and then the failure is
 * returned as it came. So is a cancelled call: who cancels wants no more
 * waiting, and must ask for himself. Nothing is begun again when the time limit
 * has passed, and the last question has a short one of its own.
 */
#include "config.h"

#include "common_limits.h"
#include "contents_call.h"
#include "contents_json.h"
#include "names.h"

#include <errno.h>
#include <string.h>

#define CHANGE_ATTEMPTS_MAX 3

static bool is_truth_visible(const struct contents *c, const char *path)
{
	return !contents_path_is_hidden(path) ||
	       contents_can(c, REMOTE_CAN_HIDDEN);
}

static int ask_truth(struct contents *c, const char *path,
	const struct cancel *cancel, struct entry *ret_entry)
{
	return contents_stat_within(c, path,
		MIN(c->limits.timeout_ms, CONTENTS_TRUTH_MS), cancel,
		ret_entry);
}

/* 1: exists, 0: does not, -errno: not known. */
static int exists(
	struct contents *c, const char *path, const struct cancel *cancel)
{
	struct entry e;
	int rc;

	if (!is_truth_visible(c, path))
		return -EIO;
	rc = ask_truth(c, path, cancel, &e);
	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	entry_clear(&e);
	return 1;
}

/* --- mkdir ---------------------------------------------------------------- */

static int mkdir_truth(struct contents *c, const char *path, int error,
	const struct cancel *cancel, struct entry *ret_entry)
{
	if (!is_truth_visible(c, path) ||
		ask_truth(c, path, cancel, ret_entry) < 0)
		return error;
	if (ret_entry->type == ENTRY_DIRECTORY)
		return 0;
	entry_clear(ret_entry);
	return -EEXIST;
}

/* The server answers 201 for a directory that exists already: whoever needs
 * EEXIST for those proves the absence first. */
int contents_mkdir(struct remote *remote, const char *path,
	const struct cancel *cancel, struct entry *ret_entry)
{
	struct contents *c = contents_of(remote);
	g_autofree char *target = contents_target(path, NULL);
	g_autofree char *text = contents_mkdir_body();
	struct contents_body body = { .text = text, .length = strlen(text) };
	struct http_call call = { .request = HTTP_REQUEST_INIT,
		.is_idempotent = true };
	struct http_response r;
	int rc = contents_path_check(c, path);

	if (rc < 0)
		return rc;
	if (*path == '\0')
		return -EEXIST;
	call.request.method = "PUT";
	call.request.target = target;
	call.request.timeout_ms = c->limits.timeout_ms;
	contents_set_body(&call, &body);
	http_response_init(&r);
	rc = contents_call_entry(
		c, HTTP_OP_MKDIR, path, &call, cancel, &r, ret_entry);
	if (contents_may_be_done(&r, rc))
		rc = mkdir_truth(c, path, rc, cancel, ret_entry);
	http_response_clear(&r);
	return rc;
}

/* --- rename --------------------------------------------------------------- */

struct renaming {
	struct contents *contents;
	const char *from;
	const char *to;
	const struct cancel *cancel;
	bool is_lost; /* no answer to the last attempt, so it may be repeated */
};

static int rename_once(
	struct renaming *n, bool *ret_may_be_done, struct entry *ret_entry)
{
	struct contents *c = n->contents;
	g_autofree char *target = contents_target(n->from, NULL);
	g_autofree char *text = contents_rename_body(n->to);
	struct contents_body body = { .text = text, .length = strlen(text) };
	struct http_call call = { .request = HTTP_REQUEST_INIT };
	struct http_response r;
	int rc;

	call.request.method = "PATCH";
	call.request.target = target;
	call.request.timeout_ms = c->limits.timeout_ms;
	contents_set_body(&call, &body);
	http_response_init(&r);
	rc = contents_call_entry(
		c, HTTP_OP_RENAME, n->to, &call, n->cancel, &r, ret_entry);
	/* Judged by the new name; the old one may be the refused dot name. */
	if (rc == -EIO && r.status == 400 && contents_path_is_hidden(n->from))
		rc = -EPERM;
	*ret_may_be_done = contents_may_be_done(&r, rc);
	n->is_lost = r.error != 0;
	http_response_clear(&r);
	return rc;
}

/* 1: it is done, and *ret_entry is filled; 0: it is surely not done, and may be
 * asked for again; -errno: what to say. Both names there after a lost answer is
 * an EEXIST that did not reach us. */
static int rename_truth(struct renaming *n, int error, struct entry *ret_entry)
{
	struct contents *c = n->contents;
	int from = exists(c, n->from, n->cancel);
	int to = from < 0 ? from : exists(c, n->to, n->cancel);

	if (to < 0)
		return error;
	if (from == 0 && to == 0)
		return -ENOENT;
	if (from == 0)
		return ask_truth(c, n->to, n->cancel, ret_entry) == 0 ? 1
								      : error;
	if (to == 1)
		return n->is_lost ? -EEXIST : error;
	return 0;
}

static int rename_until_known(struct renaming *n, struct entry *ret_entry)
{
	int64_t end_ms = clock_now_ms() + n->contents->limits.timeout_ms;

	for (int attempt = 1;; attempt++) {
		bool may_be_done;
		int truth;
		int rc = rename_once(n, &may_be_done, ret_entry);

		/* An earlier attempt may arrive late and make this one fail. */
		if (rc == 0 || (!may_be_done && attempt == 1))
			return rc;
		truth = rename_truth(n, rc, ret_entry);
		if (truth != 0)
			return MIN(truth, 0);
		if (!n->is_lost || attempt == CHANGE_ATTEMPTS_MAX ||
			clock_now_ms() >= end_ms)
			return rc;
	}
}

int contents_rename(struct remote *remote, const char *from, const char *to,
	const struct cancel *cancel, struct entry *ret_entry)
{
	struct renaming n = { .contents = contents_of(remote),
		.from = from,
		.to = to,
		.cancel = cancel };
	int rc = contents_path_check(n.contents, from);

	if (rc == 0)
		rc = contents_path_check(n.contents, to);
	if (rc < 0)
		return rc;
	if (*from == '\0' || *to == '\0')
		return -EBUSY;
	if (strcmp(from, to) == 0)
		return contents_stat(remote, to, cancel, ret_entry);
	if (path_is_below(to, from))
		return -EINVAL;
	return rename_until_known(&n, ret_entry);
}

/* --- remove --------------------------------------------------------------- */

/* Sent once: http_client.h would repeat it as idempotent, and a 404 could then
 * be our own doing or the name's absence from the start. */
static int remove_once(struct contents *c, const char *path,
	const struct cancel *cancel, bool *ret_may_be_done, bool *ret_is_lost)
{
	g_autofree char *target = contents_target(path, NULL);
	struct http_call call = { .request = HTTP_REQUEST_INIT };
	struct http_response r;
	int rc;

	call.request.method = "DELETE";
	call.request.target = target;
	call.request.body_max = CONTENTS_MODEL_MAX;
	call.request.timeout_ms = c->limits.timeout_ms;
	http_response_init(&r);
	rc = contents_call(c, HTTP_OP_REMOVE, path, &call, cancel, &r);
	*ret_may_be_done = contents_may_be_done(&r, rc);
	*ret_is_lost = r.error != 0;
	http_response_clear(&r);
	return rc;
}

int contents_remove(
	struct remote *remote, const char *path, const struct cancel *cancel)
{
	struct contents *c = contents_of(remote);
	int64_t end_ms = clock_now_ms() + c->limits.timeout_ms;
	int rc = contents_path_check(c, path);

	if (rc < 0)
		return rc;
	if (*path == '\0')
		return -EBUSY;
	for (int attempt = 1;; attempt++) {
		bool may_be_done, is_lost;
		int there;

		rc = remove_once(c, path, cancel, &may_be_done, &is_lost);
		if (rc == -ENOENT && attempt > 1)
			return 0; /* an earlier attempt did it */
		if (!may_be_done)
			return rc;
		there = exists(c, path, cancel);
		if (there == 0)
			return 0;
		if (there < 0 || !is_lost || attempt == CHANGE_ATTEMPTS_MAX ||
			clock_now_ms() >= end_ms)
			return rc;
	}
}

/* --- dot names ------------------------------------------------------------ */

/* No name that anybody has. */
static char *unheard_of_name(void)
{
	g_autofree char *uuid = g_uuid_string_random();

	return g_strconcat(".pycloud-", uuid, NULL);
}

int contents_probe_hidden(struct remote *remote, const struct cancel *cancel)
{
	struct contents *c = contents_of(remote);
	g_autofree char *name = unheard_of_name();
	g_autofree char *target = contents_target(name, NULL);
	struct http_call call = { .request = HTTP_REQUEST_INIT,
		.is_idempotent = true };
	struct http_response r;
	int rc;

	call.request.method = "DELETE";
	call.request.target = target;
	call.request.body_max = CONTENTS_MODEL_MAX;
	call.request.timeout_ms = c->limits.timeout_ms;
	http_response_init(&r);
	rc = contents_call(c, HTTP_OP_REMOVE, name, &call, cancel, &r);
	if (rc == -ENOENT && r.status == 404) {
		contents_note_accepted(c, name);
		rc = 0;
	} else if (r.status == 400) {
		(void)atomic_fetch_or(
			&c->capabilities, (unsigned)REMOTE_NO_HIDDEN);
		rc = 0;
	} else if (r.error == 0 && r.status / 100 != 5) {
		rc = -EOPNOTSUPP;
	}
	http_response_clear(&r);
	return rc;
}
