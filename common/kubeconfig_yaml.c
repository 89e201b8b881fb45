/*
 * kubeconfig_yaml.c - see kubeconfig_yaml.h.
 *
 * libyaml's events are put together here and not by libyaml, so that what is
 * too deep or too much stops at once, each node knows its line, and an alias
 * costs one pointer. An anchor counts from the end of its node on: a node that
 * holds itself is an alias without an anchor, and the tree has no cycle.
 */
#include "config.h"

#include "kubeconfig_yaml.h"

#include "common_limits.h"
#include "printable.h"
#include "secret.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#define SHOWN_MAX 80

/* A node that is not complete. */
struct frame {
	struct config_node *node;
	GHashTable *keys; /* of a map: text -> node, both borrowed */
	char *anchor;
};

struct builder {
	yaml_parser_t parser;
	const char *text;
	size_t length;
	struct config_tree *tree;
	struct frame frames[KUBECONFIG_DEPTH_MAX];
	unsigned depth;
	unsigned events;
	unsigned documents;
	GHashTable *anchors; /* name -> node, borrowed */
	char **ret_why;
};

/* Keys that a message may show; any other may be what was pasted wrongly. */
static const char *const known_keys[] = { "apiVersion", "kind", "preferences",
	"clusters", "contexts", "users", "current-context", "extensions",
	"name", "cluster", "context", "user", "namespace", "server",
	"certificate-authority", "certificate-authority-data",
	"insecure-skip-tls-verify", "tls-server-name", "proxy-url",
	"disable-compression", "client-certificate", "client-certificate-data",
	"client-key", "client-key-data", "token", "tokenFile", "username",
	"password", "as", "as-uid", "as-groups", "as-user-extra",
	"auth-provider", "exec", "command", "args", "env", "value",
	"installHint", "provideClusterInfo", "interactiveMode", "config",
	"extension", NULL };

/* --- what is wrong ------------------------------------------------------- */

static int fail_at(struct builder *b, size_t line, const char *what)
{
	*b->ret_why = g_strdup_printf("%s:%zu: %s", b->tree->file, line, what);
	return -EINVAL;
}

static int fail(struct builder *b, const yaml_event_t *event, const char *what)
{
	return fail_at(b, event->start_mark.line + 1, what);
}

static size_t line_of(const char *text, size_t offset)
{
	size_t line = 1;
	size_t i;

	for (i = 0; i < offset; i++)
		line += text[i] == '\n';
	return line;
}

/* Is there a tab in what indents this line (from 1)? */
static bool is_tab_indented(const char *text, size_t length, size_t line)
{
	const char *end = text + length;

	while (--line > 0) {
		text = memchr(text, '\n', (size_t)(end - text));
		if (text == NULL)
			return false;
		text++;
	}
	while (text < end && *text == ' ')
		text++;
	return text < end && *text == '\t';
}

static int fail_as_parser(struct builder *b)
{
	const yaml_parser_t *p = &b->parser;
	size_t line = p->problem_mark.line + 1;
	g_autofree char *what = NULL;

	if (p->error == YAML_MEMORY_ERROR)
		return fail_at(b, line, "there is not enough memory for it.");
	if (p->error == YAML_READER_ERROR)
		line = line_of(b->text, MIN(p->problem_offset, b->length));
	if (is_tab_indented(b->text, b->length, line))
		return fail_at(b, line,
			"the line is indented with a tab; YAML wants spaces.");
	/* The parser's words are fixed ones. */
	what = g_strdup_printf("this is no YAML: %s.",
		p->problem == NULL ? "it cannot be read" : p->problem);
	return fail_at(b, line, what);
}

/* --- nodes --------------------------------------------------------------- */

static void node_free(void *data)
{
	struct config_node *n = data;

	if (n->text != NULL)
		secret_wipe(n->text, n->length);
	g_free(n->text);
	if (n->keys != NULL)
		g_ptr_array_unref(n->keys);
	if (n->values != NULL)
		g_ptr_array_unref(n->values);
	g_free(n);
}

static struct config_node *add_node(
	struct builder *b, enum config_kind kind, const yaml_event_t *event)
{
	struct config_node *n = g_new0(struct config_node, 1);

	n->tree = b->tree;
	n->kind = kind;
	n->line = (unsigned)event->start_mark.line + 1;
	if (kind == CONFIG_MAP)
		n->keys = g_ptr_array_new();
	if (kind != CONFIG_TEXT)
		n->values = g_ptr_array_new();
	g_ptr_array_add(b->tree->nodes, n);
	return n;
}

static int fail_twice(struct builder *b, const yaml_event_t *event,
	const char *key, const struct config_node *first)
{
	bool is_known = g_strv_contains(known_keys, key);
	g_autofree char *what = g_strdup_printf(
		"the key %s%s%s stands here and in line %u; take one out.",
		is_known ? "`" : "", is_known ? key : "of this line",
		is_known ? "`" : "", first->line);

	return fail(b, event, what);
}

static int add_key(struct builder *b, struct frame *f,
	const yaml_event_t *event, struct config_node *key)
{
	const struct config_node *first;

	if (key->kind != CONFIG_TEXT)
		return fail(b, event, "a key must be a word.");
	if (key->is_plain && strcmp(key->text, "<<") == 0)
		return fail(b, event,
			"YAML's merge key (<<) is not supported; write out "
			"what it stands for.");
	if (strlen(key->text) != key->length)
		return fail(b, event, "a key has a NUL in it.");
	first = g_hash_table_lookup(f->keys, key->text);
	if (first != NULL)
		return fail_twice(b, event, key->text, first);
	(void)g_hash_table_insert(f->keys, key->text, key);
	g_ptr_array_add(f->node->keys, key);
	return 0;
}

/* Puts a node where the one before left off. */
static int place_node(
	struct builder *b, const yaml_event_t *event, struct config_node *n)
{
	struct frame *f;

	if (b->depth == 0) {
		b->tree->root = n;
		return 0;
	}
	f = &b->frames[b->depth - 1];
	if (f->keys != NULL && f->node->keys->len == f->node->values->len)
		return add_key(b, f, event, n);
	g_ptr_array_add(f->node->values, n);
	return 0;
}

static void set_anchor(
	struct builder *b, const char *anchor, struct config_node *n)
{
	if (anchor != NULL)
		(void)g_hash_table_replace(b->anchors, g_strdup(anchor), n);
}

/* --- events -------------------------------------------------------------- */

static int on_scalar(struct builder *b, yaml_event_t *event)
{
	struct config_node *n = add_node(b, CONFIG_TEXT, event);
	size_t length = event->data.scalar.length;

	n->text = g_malloc(length + 1);
	memcpy(n->text, event->data.scalar.value, length);
	n->text[length] = '\0';
	n->length = length;
	n->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	secret_wipe(event->data.scalar.value, length);
	set_anchor(b, (const char *)event->data.scalar.anchor, n);
	return place_node(b, event, n);
}

static int on_start(struct builder *b, const yaml_event_t *event,
	enum config_kind kind, const yaml_char_t *anchor)
{
	struct config_node *n;
	struct frame *f;
	int rc;

	if (b->depth == KUBECONFIG_DEPTH_MAX)
		return fail(b, event, "it is nested too deeply.");
	n = add_node(b, kind, event);
	rc = place_node(b, event, n);
	if (rc != 0)
		return rc;
	f = &b->frames[b->depth++];
	f->node = n;
	f->keys = kind == CONFIG_MAP ? g_hash_table_new(g_str_hash, g_str_equal)
				     : NULL;
	f->anchor = g_strdup((const char *)anchor);
	return 0;
}

static void pop_frame(struct builder *b)
{
	struct frame *f = &b->frames[--b->depth];

	set_anchor(b, f->anchor, f->node);
	g_free(f->anchor);
	if (f->keys != NULL)
		g_hash_table_unref(f->keys);
}

static int on_alias(struct builder *b, const yaml_event_t *event)
{
	struct config_node *n = g_hash_table_lookup(
		b->anchors, (const char *)event->data.alias.anchor);

	if (n == NULL)
		return fail(b, event,
			"an alias (*) stands here without an anchor (&) "
			"before it.");
	return place_node(b, event, n);
}

static int on_document(struct builder *b, const yaml_event_t *event)
{
	if (b->documents++ == 0)
		return 0;
	return fail(b, event,
		"a second document begins here; put it into a file of its own "
		"and name both in KUBECONFIG.");
}

static int on_event(struct builder *b, yaml_event_t *event)
{
	if (b->events++ == KUBECONFIG_NODES_MAX)
		return fail(b, event, "there is too much in the file.");
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return on_document(b, event);
	case YAML_ALIAS_EVENT:
		return on_alias(b, event);
	case YAML_SCALAR_EVENT:
		return on_scalar(b, event);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(b, event, CONFIG_LIST,
			event->data.sequence_start.anchor);
	case YAML_MAPPING_START_EVENT:
		return on_start(
			b, event, CONFIG_MAP, event->data.mapping_start.anchor);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		pop_frame(b);
		return 0;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
	default:
		return 0;
	}
}

static int build(struct builder *b)
{
	bool is_over = false;
	yaml_event_t event;
	int rc = 0;

	while (rc == 0 && !is_over) {
		if (yaml_parser_parse(&b->parser, &event) == 0)
			return fail_as_parser(b);
		is_over = event.type == YAML_STREAM_END_EVENT;
		rc = on_event(b, &event);
		yaml_event_delete(&event);
	}
	return rc;
}

/* What the parser would let pass, or say without a line. */
static int check_bytes(struct builder *b)
{
	const char *bad = NULL;
	const char *nul;

	if (b->length > KUBECONFIG_FILE_MAX)
		return fail_at(b, 1, "the file is too large for a kubeconfig.");
	nul = memchr(b->text, '\0', b->length);
	if (nul != NULL)
		return fail_at(b, line_of(b->text, (size_t)(nul - b->text)),
			"there is a NUL byte; this is no text.");
	if (!g_utf8_validate(b->text, (gssize)b->length, &bad))
		return fail_at(b, line_of(b->text, (size_t)(bad - b->text)),
			"this is not UTF-8.");
	return 0;
}

/* The parser's own buffers hold the last of what it read. */
static void wipe_parser(yaml_parser_t *p)
{
	secret_wipe(p->buffer.start, (size_t)(p->buffer.end - p->buffer.start));
	secret_wipe(p->raw_buffer.start,
		(size_t)(p->raw_buffer.end - p->raw_buffer.start));
	yaml_parser_delete(p);
}

int config_parse(const char *text, size_t length, const char *file,
	struct config_tree **ret, char **ret_why)
{
	struct builder *b = g_new0(struct builder, 1);
	int rc;

	b->text = text;
	b->length = length;
	b->ret_why = ret_why;
	b->tree = g_new0(struct config_tree, 1);
	b->tree->file = g_strdup(file);
	b->tree->nodes = g_ptr_array_new_with_free_func(node_free);
	b->anchors =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	rc = check_bytes(b);
	if (rc == 0 && yaml_parser_initialize(&b->parser) == 0)
		rc = fail_at(b, 1, "there is not enough memory for it.");
	if (rc == 0) {
		yaml_parser_set_input_string(
			&b->parser, (const unsigned char *)text, length);
		rc = build(b);
		wipe_parser(&b->parser);
	}
	while (b->depth > 0)
		pop_frame(b);
	g_hash_table_unref(b->anchors);
	if (rc == 0)
		*ret = b->tree;
	else
		config_free(b->tree);
	g_free(b);
	return rc;
}

void config_free(struct config_tree *t)
{
	if (t == NULL)
		return;
	g_ptr_array_unref(t->nodes);
	g_free(t->file);
	g_free(t);
}

/* --- reading the tree ---------------------------------------------------- */

char *config_show(const char *name)
{
	g_autofree char *valid = g_utf8_make_valid(name, -1);
	g_autofree char *cut = g_utf8_substring(
		valid, 0, MIN(g_utf8_strlen(valid, -1), SHOWN_MAX));

	printable_make(cut, '?');
	return g_steal_pointer(&cut);
}

int config_error(
	const struct config_node *n, char **ret_why, const char *format, ...)
{
	g_autofree char *what = NULL;
	va_list args;

	va_start(args, format);
	what = g_strdup_vprintf(format, args);
	va_end(args);
	*ret_why = g_strdup_printf("%s:%u: %s", n->tree->file, n->line, what);
	return -EINVAL;
}

static bool is_null(const struct config_node *n)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL",
		NULL };

	return n->kind == CONFIG_TEXT && n->is_plain &&
	       g_strv_contains(words, n->text);
}

const struct config_node *config_member(
	const struct config_node *map, const char *key)
{
	guint i;

	if (map == NULL || map->kind != CONFIG_MAP)
		return NULL;
	for (i = 0; i < map->keys->len; i++) {
		const struct config_node *k = g_ptr_array_index(map->keys, i);
		const struct config_node *v = g_ptr_array_index(map->values, i);

		if (strcmp(k->text, key) == 0)
			return is_null(v) ? NULL : v;
	}
	return NULL;
}

int config_get_text(const struct config_node *map, const char *key,
	const char **ret, char **ret_why)
{
	const struct config_node *n = config_member(map, key);

	*ret = NULL;
	if (n == NULL)
		return 0;
	if (n->kind != CONFIG_TEXT)
		return config_error(n, ret_why, "`%s` must be a text.", key);
	if (strlen(n->text) != n->length)
		return config_error(n, ret_why, "`%s` has a NUL in it.", key);
	if (n->length > 0)
		*ret = n->text;
	return 0;
}

int config_get_bool(const struct config_node *map, const char *key, bool *ret,
	char **ret_why)
{
	static const char *const yes[] = { "true", "True", "TRUE", "yes", "Yes",
		"YES", "on", "On", "ON", "y", "Y", NULL };
	static const char *const no[] = { "false", "False", "FALSE", "no", "No",
		"NO", "off", "Off", "OFF", "n", "N", NULL };
	const struct config_node *n = config_member(map, key);

	if (n == NULL)
		return 0;
	if (n->kind == CONFIG_TEXT && n->is_plain &&
		(g_strv_contains(yes, n->text) ||
			g_strv_contains(no, n->text))) {
		*ret = g_strv_contains(yes, n->text);
		return 0;
	}
	return config_error(
		n, ret_why, "`%s` must be true or false, without quotes.", key);
}

static int get_kind(const struct config_node *map, const char *key,
	enum config_kind kind, const struct config_node **ret, char **ret_why)
{
	const struct config_node *n = config_member(map, key);

	*ret = NULL;
	if (n != NULL && n->kind != kind)
		return config_error(n, ret_why, "`%s` must be %s.", key,
			kind == CONFIG_MAP ? "a map (key: value)"
					   : "a list (- ...)");
	*ret = n;
	return 0;
}

int config_get_map(const struct config_node *map, const char *key,
	const struct config_node **ret, char **ret_why)
{
	return get_kind(map, key, CONFIG_MAP, ret, ret_why);
}

int config_get_list(const struct config_node *map, const char *key,
	const struct config_node **ret, char **ret_why)
{
	return get_kind(map, key, CONFIG_LIST, ret, ret_why);
}
