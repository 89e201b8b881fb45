/*
 * json.h - reading JSON that a server sent.
 *
 * json_parse() is the only door: it bounds size and depth, and neutralises
 * what would make cJSON refuse or cut a whole document: unpaired surrogates
 * (a file name that is not UTF-8 is listed as "caf\udce9") and \u0000 both
 * become U+FFFD. Getters answer "absent" for a member of the wrong type, so
 * callers check one thing. Pure.
 */
#ifndef PYCLOUD_JSON_H
#define PYCLOUD_JSON_H

#include <cjson/cJSON.h>
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NULL when it is not JSON, too deep, or holds bytes after the value. The
 * text must be writable: neutralising happens in place. It need not be
 * NUL-terminated. */
cJSON *json_parse(char *text, size_t length);

/* Borrowed; NULL when absent or not a string. */
const char *json_string(const cJSON *object, const char *key);
/* False when absent, not a number, not whole, or beyond 2^53. */
bool json_int64(const cJSON *object, const char *key, int64_t *ret);
bool json_bool(const cJSON *object, const char *key, bool fallback);
const cJSON *json_object(const cJSON *object, const char *key);
const cJSON *json_array(const cJSON *object, const char *key);

/* The text with quotes around it, escaped to ASCII; g_free. */
char *json_quote(const char *utf8);

/* Serialises without white space; g_free. */
char *json_print(const cJSON *);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(cJSON, cJSON_Delete)

#endif
