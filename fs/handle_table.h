/*
 * handle_table.h - what is open.
 *
 * The kernel's fh is a key into this table, never an address. A handle belongs
 * to its node's ops table, which fills the one state field it uses. The kernel
 * sends nothing for a handle after its release, so a handle needs no count.
 * Locking: one internal lock; the fields of a handle are its user's business
 * (each says how it is shared).
 */
#ifndef PYCLOUD_HANDLE_TABLE_H
#define PYCLOUD_HANDLE_TABLE_H

#include "mutex.h"
#include "node.h"

#include <glib.h>

struct conversation;
struct event_reader;
struct readahead;
struct handle_table;

struct handle {
	uint64_t fh;
	struct node *node; /* owns a ref; returned by handle_table_close */
	int flags;	   /* as given to open */

	/* files: what this handle's reads look like (fetch.h) */
	struct readahead *readahead;
	uint64_t epoch; /* of the content when it was opened (content.h) */

	/* directories: the snapshot that readdir walks (of struct entry *),
	 * replaced when reading starts again at 0; guarded by the kernel,
	 * which sends one readdir at a time for a handle */
	GPtrArray *entries;
	GPtrArray *locals; /* after them: names that stay here (char *) */
	int64_t listed_ms; /* when the snapshot was true */
	bool is_begun;

	/* files that stay here: the descriptor, owned by local_file.c; -1 */
	int fd;

	/* control files: their text when they were opened; immutable */
	GString *text;

	/* .run: this handle's conversation (run_file.c) */
	struct conversation *conversation;

	/* .pycloud/events: what it has not read yet (event_file.c) */
	struct event_reader *events;
};

struct handle_table *handle_table_new(void);
void handle_table_free(struct handle_table *);

/* Takes the caller's ref of the node. */
struct handle *handle_table_open(
	struct handle_table *, struct node *, int flags);
/* NULL for a number the table does not know. */
struct handle *handle_table_get(struct handle_table *, uint64_t fh);
/* Frees the handle; the node's ref is the caller's again. */
struct node *handle_table_close(struct handle_table *, struct handle *);
/* Any handle, or NULL when nothing is open any more. */
struct handle *handle_table_any(struct handle_table *);
unsigned handle_table_count(struct handle_table *);

#endif
