/* Any bytes as a server's answers about kernels: an id that comes out is fit
 * for a path. */
#include "config.h"

#include "fuzz_http.h"

#include "kernel.h"

#include <string.h>

static void check_id(const char *id)
{
	if (*id == '\0' || strlen(id) > 64 || strpbrk(id, "/.%?# ") != NULL)
		g_error("an id that is none: %s", id);
}

void fuzz_kernel(const uint8_t *bytes, size_t length)
{
	struct fuzz_input in = { bytes, length };
	struct cancel cancel;
	char *id = NULL;
	int rc;

	cancel_init(&cancel, 0);
	fuzz_http_begin(&in, &cancel);
	rc = kernel_start(fuzz_http_pool(), &cancel, &id);
	if (rc > 0 || (rc == 0) != (id != NULL))
		g_error("a start of %d", rc);
	if (rc == 0) {
		check_id(id);
		if (kernel_check(fuzz_http_pool(), id, &cancel) > 0 ||
			kernel_stop(fuzz_http_pool(), id, &cancel) > 0)
			g_error("a result that is none");
	}
	g_free(id);
	fuzz_http_end();
	cancel_fini(&cancel);
}
