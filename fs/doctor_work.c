/*
 * doctor_work.c - pycloud doctor: kernels and uploads.
 *
 * What a server could do is asked; what it can do shows only when it is tried,
 * which takes a kernel and a file over there. So that is for --run, and is
 * taken back at once.
 */
#include "config.h"

#include "common_limits.h"
#include "contents.h"
#include "doctor_target.h"
#include "fs_limits.h"
#include "http_errno.h"
#include "json.h"
#include "kernel.h"

#include <errno.h>
#include <string.h>

#define PYTHON \
	"install ipykernel there (pip install ipykernel), or have it installed"

/* --- kernels -------------------------------------------------------------- */

static void tell_specs(const struct doctor_probe *p, struct http_response *r)
{
	g_autoptr(cJSON) specs =
		r->body == NULL ? NULL : json_parse(r->body->str, r->body->len);
	g_autofree char *chosen =
		specs == NULL ? NULL : kernel_choose_spec(specs);

	if (chosen != NULL)
		doctor_tell(p, DOCTOR_OK, "kernels", NULL,
			"scripts run with the kernel %s", chosen);
	else
		doctor_tell(p, DOCTOR_WARN, "kernels", PYTHON,
			"the server has no Python kernel: files can be used, "
			"scripts cannot be run");
}

static bool check_specs(const struct doctor_probe *p, struct http_pool *pool)
{
	struct http_response r;
	int rc = doctor_get(p, pool, "api/kernelspecs", -1, &r);

	if (rc == 0)
		rc = http_errno(HTTP_OP_KERNEL, &r, NULL);
	if (rc == 0)
		tell_specs(p, &r);
	else
		doctor_tell(p, DOCTOR_WARN, "kernels",
			rc == -EACCES ? "ask for a token that may start "
					"kernels"
				      : PYTHON,
			"the server does not say which kernels it has: %s; "
			"files can be used, scripts cannot be run",
			g_strerror(-rc));
	http_response_clear(&r);
	return rc == 0;
}

static void tell_kernel(const struct doctor_probe *p, int rc, int64_t took_ms)
{
	if (rc == 0)
		doctor_tell(p, DOCTOR_OK, "kernel start", NULL,
			"one started and answered in %.1f s, and was ended",
			(double)took_ms / 1000.0);
	else if (rc == -EOPNOTSUPP)
		doctor_tell(p, DOCTOR_WARN, "kernel start", PYTHON,
			"no Python kernel can be started");
	else
		doctor_tell(p, DOCTOR_FAILED, "kernel start",
			"look at the server's log: is its memory used up, or "
			"does a proxy on the way refuse WebSockets?",
			"a kernel that was started does not answer: %s",
			g_strerror(-rc));
}

static void try_kernel(const struct doctor_probe *p, struct http_pool *pool)
{
	struct kernel_channel *channel = NULL;
	int64_t began_ms = clock_now_ms();
	g_autofree char *id = NULL;
	int rc = kernel_start(pool, p->cancel, &id);

	if (rc == 0) {
		rc = kernel_channel_open(
			pool, id, DOCTOR_KERNEL_MS, p->cancel, &channel);
		kernel_channel_free(channel);
		(void)kernel_stop(pool, id, NULL);
	}
	tell_kernel(p, rc, clock_now_ms() - began_ms);
}

/* --- uploads -------------------------------------------------------------- */

/* One chunk, and a bit of another. */
#define UPLOAD_BYTES (CONTENTS_CHUNK_BYTES + 3)

static ssize_t read_zeros(void *arg, void *buffer, size_t size, int64_t offset)
{
	size_t n = (size_t)CLAMP(UPLOAD_BYTES - offset, 0, (int64_t)size);

	(void)arg;
	memset(buffer, 0, n);
	return (ssize_t)n;
}

static void tell_upload(const struct doctor_probe *p, int rc, int removed,
	const char *name, double seconds)
{
	if (rc == -EROFS || rc == -EACCES || rc == -EPERM)
		doctor_tell(p, DOCTOR_WARN, "uploads",
			"mount it with -o ro, or have the folder's rights "
			"changed over there",
			"the workspace cannot be written to");
	else if (rc < 0)
		doctor_tell(p, DOCTOR_FAILED, "uploads",
			rc == -ENOSPC || rc == -EDQUOT
				? "make room over there"
				: "look at the server's log: does a proxy on "
				  "the way refuse 12 MB in one request?",
			"a file of 8 MB in two pieces did not arrive: %s",
			g_strerror(-rc));
	else
		doctor_tell(p, DOCTOR_OK, "uploads", NULL,
			"a file of 8 MB in two pieces arrived in %.1f s",
			seconds);
	if (rc == 0 && removed < 0)
		doctor_tell(p, DOCTOR_WARN, "uploads",
			"remove it yourself over there",
			"the file %s could not be removed again: %s", name,
			g_strerror(-removed));
}

static void try_upload(const struct doctor_probe *p, struct http_pool *pool)
{
	const struct contents_limits limits = { .timeout_ms = DOCTOR_CALL_MS,
		.stall_ms = DOCTOR_CALL_MS };
	const struct remote_source source = { read_zeros, NULL, UPLOAD_BYTES };
	g_autofree char *name =
		g_strdup_printf("pycloud-doctor-%08x.tmp", g_random_int());
	int64_t began_ms = clock_now_ms();
	struct remote *remote = NULL;
	struct entry entry = { 0 };
	int removed;
	int64_t took_ms;
	int rc = contents_new(pool, &limits, &remote);

	if (rc < 0)
		return;
	rc = remote_write(remote, name, &source, p->cancel, &entry);
	took_ms = clock_now_ms() - began_ms;
	if (rc == 0)
		entry_clear(&entry);
	/* Of a broken upload there may be a part. */
	removed = remote_remove(remote, name, NULL);
	tell_upload(p, rc, removed, name, (double)took_ms / 1000.0);
	remote_free(remote);
}

void doctor_work(const struct doctor_probe *p, struct http_pool *pool)
{
	bool has_kernels = check_specs(p, pool);

	if (!p->options->tries) {
		doctor_tell(p, DOCTOR_SKIPPED, "kernel start", NULL,
			"not tried; --run tries it");
		doctor_tell(p, DOCTOR_SKIPPED, "uploads", NULL,
			"not tried; --run tries a file in two pieces");
		return;
	}
	if (has_kernels)
		try_kernel(p, pool);
	try_upload(p, pool);
}
