/*
 * doctor_server.c - pycloud doctor: the Jupyter server at the end of the way.
 *
 * Each question is one request; a question is asked only when those before it
 * have been answered well enough.
 */
#include "config.h"

#include "contents.h"
#include "contents_json.h"
#include "doctor_target.h"
#include "fs_limits.h"
#include "http_errno.h"
#include "json.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* --- is it a Jupyter server ----------------------------------------------- */

static const char *advice_for(const struct http_response *r)
{
	switch (-r->error) {
	case ECONNREFUSED:
		return "start the server, or correct the address";
	case ETIMEDOUT:
		return "is the VPN on, does a firewall let it through, is the "
		       "server alive, is it https:// and not http://?";
	case EPROTO:
		return "is it https:// or http://? A certificate that nobody "
		       "knows is trusted by -o cacert=FILE; one that has "
		       "expired is the server's administrator's to renew";
	case EKEYREJECTED:
	case EACCES:
		return "log in to the cluster again (kubectl get pods tells)";
	default:
		return "is this computer online, the address right, and the "
		       "server up?";
	}
}

static const char *our_own(const struct doctor_login *login)
{
	return login->has_token ? "the server refuses it"
				: "the server wants one, and none was found";
}

/* The address is cut where a secret might begin. */
static void tell_redirect(const struct doctor_probe *p,
	const struct doctor_login *login, const struct http_response *r)
{
	const char *to = r->location != NULL ? r->location : "nowhere";
	g_autofree char *shown = g_strndup(to, strcspn(to, "?#"));
	int rc = http_errno(HTTP_OP_STAT, r, NULL);

	if (rc == -EACCES && login->is_online) {
		doctor_tell_mount_has_it(p, "token", our_own(login));
		return;
	}
	doctor_tell(p, DOCTOR_FAILED, "server",
		rc == -EACCES ? login->advice
		: rc == -EHOSTUNREACH
			? "the hub has stopped this server: start it on its "
			  "page, or mount it as hub+https://..."
			: "use the address that it sends to, if you trust it",
		"it sends us to %s instead of answering", shown);
}

static void tell_no_server(const struct doctor_probe *p,
	const struct doctor_login *login, const struct http_response *r)
{
	if (r->error != 0)
		doctor_tell(p, DOCTOR_FAILED, "server", advice_for(r),
			"no answer: %s%s%s%s", g_strerror(-r->error),
			r->detail != NULL ? " (" : "",
			r->detail != NULL ? r->detail : "",
			r->detail != NULL ? ")" : "");
	else if (r->status / 100 == 3)
		tell_redirect(p, login, r);
	else if (r->status / 100 == 5)
		doctor_tell(p, DOCTOR_FAILED, "server",
			"the server, or a proxy before it, is in trouble: look "
			"at its log, or start it again",
			"it answers with HTTP status %d", r->status);
	else
		doctor_tell(p, DOCTOR_FAILED, "server",
			"correct the address: it ends before /lab, /tree or "
			"/notebooks",
			"something answers (HTTP status %d), but it is no "
			"Jupyter server",
			r->status);
}

static void tell_clock(
	const struct doctor_probe *p, const struct http_response *r)
{
	int64_t ahead = r->date - time(NULL);

	if (r->date == 0)
		doctor_tell(p, DOCTOR_SKIPPED, "clock", NULL,
			"the server does not say what time it is");
	else if (ABS(ahead) <= DOCTOR_CLOCK_SECONDS)
		doctor_tell(p, DOCTOR_OK, "clock", NULL,
			"the server's and this computer's agree");
	else
		doctor_tell(p, DOCTOR_WARN, "clock",
			"set the one that is wrong (timedatectl set-ntp true): "
			"make, rsync and git compare times of files",
			"the server's is %" G_GINT64_FORMAT
			" seconds %s this computer's",
			ABS(ahead), ahead > 0 ? "ahead of" : "behind");
}

/* False: there is no use in asking more. */
static bool check_version(const struct doctor_probe *p, struct http_pool *pool,
	const struct doctor_login *login)
{
	struct http_response r;
	g_autofree char *version = NULL;
	int64_t began_ms = clock_now_ms();
	bool is_there;

	(void)doctor_get(p, pool, "api", -1, &r);
	if (r.error == 0 && r.status == 200 && r.body != NULL)
		version = contents_parse_version(r.body->str, r.body->len);
	is_there = version != NULL ||
		   (r.error == 0 && (r.status == 401 || r.status == 403));
	if (version != NULL)
		doctor_tell(p, DOCTOR_OK, "server", NULL,
			"Jupyter server %s answers in %" G_GINT64_FORMAT " ms",
			version, clock_now_ms() - began_ms);
	else if (is_there)
		doctor_tell(p, DOCTOR_OK, "server", NULL,
			"it answers, and wants to know who asks");
	else
		tell_no_server(p, login, &r);
	if (is_there)
		tell_clock(p, &r);
	http_response_clear(&r);
	return is_there;
}

/* --- may we --------------------------------------------------------------- */

static void tell_root(const struct doctor_probe *p, struct http_response *r)
{
	g_autoptr(cJSON) model =
		r->body == NULL ? NULL : json_parse(r->body->str, r->body->len);

	if (model != NULL && !json_bool(model, "writable", true))
		doctor_tell(p, DOCTOR_WARN, "files",
			"have the folder's owner changed over there, or mount "
			"it with -o ro",
			"the server may not write into the workspace's folder");
	else
		doctor_tell(p, DOCTOR_OK, "files", NULL,
			"the workspace's folder can be read and written");
}

static bool check_token(const struct doctor_probe *p, struct http_pool *pool,
	const struct doctor_login *login)
{
	struct http_response r;
	int rc = doctor_get(p, pool, "api/contents?content=0", -1, &r);

	if (rc == 0)
		rc = http_errno(HTTP_OP_STAT, &r, NULL);
	if (rc == 0) {
		doctor_tell(p, DOCTOR_OK, "token", NULL, "%s",
			login->has_token ? "accepted" : "none is needed");
		tell_root(p, &r);
	} else if (rc == -EACCES && login->is_online) {
		doctor_tell_mount_has_it(p, "token", our_own(login));
	} else if (rc == -EACCES) {
		doctor_tell(p, DOCTOR_FAILED, "token", login->advice, "%s",
			login->has_token
				? "the server refuses it"
				: "the server wants one, and none was found");
	} else {
		doctor_tell(p, DOCTOR_FAILED, "files",
			"look at the server's log; its contents API must be on",
			"the server does not show its files: %s (HTTP status "
			"%d)",
			g_strerror(-rc), r.status);
	}
	http_response_clear(&r);
	return rc == 0;
}

/* --- what can it do ------------------------------------------------------- */

/* A file with a byte to ask for; borrowed. NULL: none. */
static const struct entry *choose_file(const GPtrArray *entries)
{
	for (guint i = 0; i < entries->len; i++) {
		const struct entry *e = entries->pdata[i];

		if (e->type == ENTRY_FILE && e->size > 1 && e->name[0] != '.')
			return e;
	}
	return NULL;
}

static void try_range(const struct doctor_probe *p, struct http_pool *pool,
	const struct entry *file)
{
	g_autofree char *name = g_uri_escape_string(file->name, NULL, FALSE);
	g_autofree char *target = g_strconcat("files/", name, NULL);
	struct http_response r;

	(void)doctor_get(p, pool, target, 1, &r);
	if (r.error == 0 && r.status == 206)
		doctor_tell(p, DOCTOR_OK, "reading", NULL,
			"parts of files can be read");
	else if (r.error == 0 && (r.status == 200 || r.status / 100 == 4))
		doctor_tell(p, DOCTOR_WARN, "reading",
			"nothing is lost by it, but large files are slow",
			"the server gives files only as a whole (HTTP status "
			"%d)",
			r.status);
	else if (r.error == -EFBIG)
		doctor_tell(p, DOCTOR_WARN, "reading",
			"nothing is lost by it, but large files are slow",
			"the server gives files only as a whole");
	else
		doctor_tell(p, DOCTOR_WARN, "reading",
			"run it again; if it stays so, look at the server's "
			"log",
			"a file could not be read (HTTP status %d)", r.status);
	http_response_clear(&r);
}

static void check_reading(const struct doctor_probe *p, struct http_pool *pool,
	struct remote *remote)
{
	GPtrArray *entries = NULL;
	const struct entry *file;
	unsigned dropped = 0;
	int rc = remote_list(remote, "", p->cancel, &entries, &dropped);

	if (rc < 0) {
		doctor_tell(p, DOCTOR_FAILED, "listing",
			"look at the server's log; a folder with very many "
			"files takes long to list",
			"the workspace's folder cannot be listed: %s",
			g_strerror(-rc));
		return;
	}
	if (dropped > 0)
		doctor_tell(p, DOCTOR_WARN, "listing",
			"rename them over there: they are no text in UTF-8, or "
			"no names at all",
			"%u names of the workspace's folder cannot be shown",
			dropped);
	file = choose_file(entries);
	if (file != NULL)
		try_range(p, pool, file);
	else
		doctor_tell(p, DOCTOR_SKIPPED, "reading", NULL,
			"there is no file in the workspace's folder to try "
			"with");
	g_ptr_array_unref(entries);
}

static void check_hidden(const struct doctor_probe *p, struct remote *remote)
{
	int rc = remote_probe_hidden(remote, p->cancel);
	unsigned can = remote_capabilities(remote);

	if (rc == 0 && (can & REMOTE_CAN_HIDDEN) != 0)
		doctor_tell(p, DOCTOR_OK, "dot names", NULL,
			"the server takes them");
	else if (rc == 0 && (can & REMOTE_NO_HIDDEN) != 0)
		doctor_tell(p, DOCTOR_OK, "dot names",
			"start it with --ContentsManager.allow_hidden=True for "
			"them to be over there",
			"the server refuses them, so they (.git) stay on this "
			"computer");
	else
		doctor_tell(p, DOCTOR_SKIPPED, "dot names", NULL,
			"the server does not say whether it takes them");
}

void doctor_server(const struct doctor_probe *p, struct endpoint *endpoint,
	const struct doctor_login *login)
{
	const struct contents_limits limits = { .timeout_ms = DOCTOR_CALL_MS,
		.stall_ms = DOCTOR_CALL_MS };
	struct http_pool *pool = NULL;
	struct remote *remote = NULL;

	if (http_pool_new(endpoint, &pool) < 0)
		return;
	if (check_version(p, pool, login) && check_token(p, pool, login) &&
		contents_new(pool, &limits, &remote) == 0) {
		check_reading(p, pool, remote);
		check_hidden(p, remote);
		doctor_work(p, pool);
		remote_free(remote);
	}
	http_pool_free(pool);
}
