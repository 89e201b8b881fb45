/* writeback.c - see writeback.h. */
#include "config.h"

#include "writeback.h"

#include "content.h"
#include "dirty_set.h"
#include "fs_limits.h"
#include "log.h"
#include "node_table.h"
#include "session.h"
#include "transfer.h"

#include <pthread.h>

struct writeback {
	struct session *session;
	struct cancel cancel; /* of all uploads */
	pthread_t threads[WRITEBACK_THREADS];
	unsigned thread_count;
};

static void upload(struct writeback *w, struct node *n)
{
	struct session *s = w->session;
	g_autofree char *path = node_table_last_path(s->nodes, n);
	int rc = transfer_upload(s, n, &w->cancel);

	if (rc < 0)
		log_warning("'%s' is not on the server yet: %s; its bytes are "
			    "kept, see .pycloud/pending",
			path, g_strerror(-rc));
}

static void sync_spool(struct writeback *w, struct node *n)
{
	struct session *s = w->session;
	g_autofree char *path = node_table_path(s->nodes, n);
	int rc;

	if (path == NULL)
		return;
	rc = content_journal(n->content, s->spool, path);
	if (rc == 0)
		rc = content_sync(n->content);
	if (rc < 0)
		log_error("the bytes of '%s' could not be kept on this "
			  "computer's disk: %s",
			path, g_strerror(-rc));
}

static void *writeback_thread(void *arg)
{
	struct writeback *w = arg;
	struct dirty_set *dirty = w->session->dirty;
	enum dirty_duty duty;
	struct node *n;

	while ((duty = dirty_set_wait(dirty, &n)) != DUTY_END) {
		if (duty == DUTY_UPLOAD)
			upload(w, n);
		else
			sync_spool(w, n);
		dirty_set_done(dirty, n);
	}
	return NULL;
}

int writeback_new(struct session *s, struct writeback **ret)
{
	struct writeback *w = g_new0(struct writeback, 1);

	w->session = s;
	cancel_init(&w->cancel, 0);
	for (; w->thread_count < WRITEBACK_THREADS; w->thread_count++) {
		int rc = pthread_create(&w->threads[w->thread_count], NULL,
			writeback_thread, w);

		if (rc != 0) {
			writeback_free(w);
			return -rc;
		}
	}
	*ret = w;
	return 0;
}

void writeback_free(struct writeback *w)
{
	if (w == NULL)
		return;
	dirty_set_end(w->session->dirty);
	cancel_fire(&w->cancel);
	for (unsigned i = 0; i < w->thread_count; i++)
		(void)pthread_join(w->threads[i], NULL);
	cancel_fini(&w->cancel);
	g_free(w);
}
