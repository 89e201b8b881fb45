/* handle_table.c - see handle_table.h. */
#include "config.h"

#include "handle_table.h"

struct handle_table {
	struct mutex lock;
	/* guarded by lock */
	GHashTable *by_fh;
	uint64_t next_fh;
};

struct handle_table *handle_table_new(void)
{
	struct handle_table *t = g_new0(struct handle_table, 1);

	mutex_init(&t->lock);
	t->by_fh = g_hash_table_new(g_int64_hash, g_int64_equal);
	t->next_fh = 1;
	return t;
}

static void handle_free(struct handle *h)
{
	if (h->entries != NULL)
		g_ptr_array_unref(h->entries);
	if (h->locals != NULL)
		g_ptr_array_unref(h->locals);
	if (h->text != NULL)
		g_string_free(h->text, TRUE);
	g_free(h);
}

void handle_table_free(struct handle_table *t)
{
	GHashTableIter iter;
	gpointer value;

	if (t == NULL)
		return;
	g_hash_table_iter_init(&iter, t->by_fh);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		handle_free(value);
	g_hash_table_destroy(t->by_fh);
	mutex_fini(&t->lock);
	g_free(t);
}

struct handle *handle_table_open(
	struct handle_table *t, struct node *node, int flags)
{
	struct handle *h = g_new0(struct handle, 1);

	h->node = node;
	h->flags = flags;
	h->fd = -1;
	mutex_lock(&t->lock);
	h->fh = t->next_fh++;
	g_hash_table_insert(t->by_fh, &h->fh, h);
	mutex_unlock(&t->lock);
	return h;
}

struct handle *handle_table_get(struct handle_table *t, uint64_t fh)
{
	struct handle *h;

	mutex_lock(&t->lock);
	h = g_hash_table_lookup(t->by_fh, &fh);
	mutex_unlock(&t->lock);
	return h;
}

struct node *handle_table_close(struct handle_table *t, struct handle *h)
{
	struct node *node = h->node;

	mutex_lock(&t->lock);
	g_hash_table_remove(t->by_fh, &h->fh);
	mutex_unlock(&t->lock);
	handle_free(h);
	return node;
}

struct handle *handle_table_any(struct handle_table *t)
{
	GHashTableIter iter;
	gpointer value = NULL;

	mutex_lock(&t->lock);
	g_hash_table_iter_init(&iter, t->by_fh);
	if (!g_hash_table_iter_next(&iter, NULL, &value))
		value = NULL;
	mutex_unlock(&t->lock);
	return value;
}

unsigned handle_table_count(struct handle_table *t)
{
	unsigned count;

	mutex_lock(&t->lock);
	count = g_hash_table_size(t->by_fh);
	mutex_unlock(&t->lock);
	return count;
}
