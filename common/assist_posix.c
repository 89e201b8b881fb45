/* assist_posix.c - see assist.h: what POSIX has and the contents API has not. */
#include "config.h"

#include "assist_private.h"

#include "assist_text.h"
#include "common_limits.h"
#include "names.h"

#include <errno.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/xattr.h>

/* --- the volume ----------------------------------------------------------- */

int assist_volume(struct remote *remote, const struct cancel *cancel,
	struct remote_volume *ret)
{
	struct assist *a = assist_of(remote);
	struct helper_reply answer = { 0 };
	int rc;

	if (!assist_is_usable(a))
		return -EOPNOTSUPP;
	rc = assist_ask(a, assist_verb("volume"), NULL, ASSIST_CALL_MS, cancel,
		&answer);
	if (rc == 0)
		rc = assist_check_protocol(
			a, assist_parse_volume(answer.data, ret));
	helper_reply_clear(&answer);
	return rc;
}

/* --- changes -------------------------------------------------------------- */

/* As assist_ask(), for what is not to be done later. Takes `call`. */
static int change(struct assist *a, cJSON *call,
	const struct kernel_buffer *bytes, const struct cancel *cancel,
	struct helper_reply *ret)
{
	int rc;

	if (!assist_is_usable(a)) {
		cJSON_Delete(call);
		return -EOPNOTSUPP;
	}
	(void)cJSON_AddNumberToObject(call, "within_ms", ASSIST_CALL_MS);
	rc = assist_ask(a, call, bytes, ASSIST_CALL_MS, cancel, ret);
	if (ret->data == NULL)
		return assist_unanswered(rc, ret);
	return rc == -ECANCELED ? -EOPNOTSUPP : rc;
}

/* An entry of the answer, with the path's name. It is done: what it is now is
 * to be asked for, where that was not said as agreed. */
static int read_entry(struct assist *a, const struct helper_reply *answer,
	const char *key, const char *path, struct entry *ret)
{
	if (assist_parse_entry_at(answer->data, key, ret) < 0) {
		entry_clear(ret);
		(void)assist_check_protocol(a, -EPROTO);
		return -ETIMEDOUT;
	}
	ret->name = g_strdup(path_basename(path));
	return 0;
}

static const char *how_name(enum remote_how how)
{
	switch (how) {
	case REMOTE_MOVE_EXCHANGE:
		return "exchange";
	case REMOTE_MOVE_NOT_OVER:
		return "not over";
	case REMOTE_MOVE_OVER:
	default:
		return "over";
	}
}

int assist_move(struct remote *remote, const char *from, const char *to,
	enum remote_how how, const struct cancel *cancel, struct entry *ret_to,
	struct entry *ret_from)
{
	struct assist *a = assist_of(remote);
	struct helper_reply answer = { 0 };
	cJSON *call = assist_verb_at("rename", "from", from);
	int rc;

	(void)cJSON_AddStringToObject(call, "to", to);
	(void)cJSON_AddStringToObject(call, "how", how_name(how));
	rc = change(a, call, NULL, cancel, &answer);
	if (rc == 0 && json_bool(answer.data, "same", false))
		rc = 1;
	if (rc == 0)
		rc = read_entry(a, &answer, "to", to, ret_to);
	if (rc == 0 && how == REMOTE_MOVE_EXCHANGE) {
		rc = read_entry(a, &answer, "from", from, ret_from);
		if (rc < 0)
			entry_clear(ret_to);
	}
	helper_reply_clear(&answer);
	return rc;
}

int assist_link(struct remote *remote, const char *from, const char *to,
	const struct cancel *cancel, struct entry *ret_to,
	struct entry *ret_from)
{
	struct assist *a = assist_of(remote);
	struct helper_reply answer = { 0 };
	cJSON *call = assist_verb_at("link", "from", from);
	int rc;

	(void)cJSON_AddStringToObject(call, "to", to);
	rc = change(a, call, NULL, cancel, &answer);
	if (rc == 0)
		rc = read_entry(a, &answer, "to", to, ret_to);
	if (rc == 0) {
		rc = read_entry(a, &answer, "from", from, ret_from);
		if (rc < 0)
			entry_clear(ret_to);
	}
	helper_reply_clear(&answer);
	return rc;
}

/* --- extended attributes -------------------------------------------------- */

int assist_xattrs(struct remote *remote, const char *directory,
	const struct cancel *cancel, GHashTable **ret, bool *ret_is_all)
{
	struct assist *a = assist_of(remote);
	struct helper_reply answer = { 0 };
	size_t length = 0;
	const void *text = "";
	int rc;

	if (!assist_is_usable(a))
		return -EOPNOTSUPP;
	rc = assist_ask(a, assist_verb_at("xattrs", "dir", directory), NULL,
		ASSIST_CALL_MS, cancel, &answer);
	if (rc == 0) {
		if (answer.bytes != NULL)
			text = g_bytes_get_data(answer.bytes, &length);
		*ret_is_all = json_bool(answer.data, "all", false);
		rc = assist_check_protocol(
			a, assist_parse_xattrs(text, length, ret));
	}
	helper_reply_clear(&answer);
	return rc;
}

int assist_getxattr(struct remote *remote, const char *path, const char *name,
	const struct cancel *cancel, GBytes **ret)
{
	struct assist *a = assist_of(remote);
	struct helper_reply answer = { 0 };
	cJSON *call;
	int rc;

	if (!name_is_users_xattr(name))
		return -ENODATA;
	if (!assist_is_usable(a))
		return -EOPNOTSUPP;
	call = assist_verb_at("getxattr", "path", path);
	(void)cJSON_AddStringToObject(call, "name", name);
	rc = assist_ask(a, call, NULL, ASSIST_CALL_MS, cancel, &answer);
	if (rc == 0 && (answer.bytes == NULL ||
			       g_bytes_get_size(answer.bytes) > XATTR_SIZE_MAX))
		rc = assist_check_protocol(a, -EPROTO);
	if (rc == 0)
		*ret = g_bytes_ref(answer.bytes);
	helper_reply_clear(&answer);
	return rc;
}

int assist_setxattr(struct remote *remote, const char *path, const char *name,
	GBytes *value, int flags, const struct cancel *cancel)
{
	struct helper_reply answer = { 0 };
	struct kernel_buffer bytes = { 0 };
	cJSON *call;
	int rc;

	if (!name_is_users_xattr(name))
		return -EOPNOTSUPP;
	call = assist_verb_at(
		value == NULL ? "removexattr" : "setxattr", "path", path);
	(void)cJSON_AddStringToObject(call, "name", name);
	if (value != NULL) {
		(void)cJSON_AddStringToObject(call, "how",
			flags == XATTR_CREATE	 ? "create"
			: flags == XATTR_REPLACE ? "replace"
						 : "any");
		bytes.bytes = g_bytes_get_data(value, &bytes.length);
	}
	rc = change(assist_of(remote), call, bytes.length > 0 ? &bytes : NULL,
		cancel, &answer);
	helper_reply_clear(&answer);
	return rc;
}
