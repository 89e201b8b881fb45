/* assist_attr.c - see assist.h: modes and times. */
#include "config.h"

#include "assist_private.h"

#include "assist_text.h"
#include "common_limits.h"
#include "names.h"

#include <errno.h>

/* A directory has no size. */
void assist_add_base(cJSON *call, const struct entry *or_base)
{
	cJSON *pair;

	if (or_base == NULL) {
		(void)cJSON_AddNullToObject(call, "base");
		return;
	}
	pair = cJSON_AddArrayToObject(call, "base");
	(void)cJSON_AddItemToArray(pair,
		or_base->size < 0 ? cJSON_CreateNull()
				  : cJSON_CreateNumber((double)or_base->size));
	(void)cJSON_AddItemToArray(pair,
		cJSON_CreateNumber((double)assist_us_of_time(&or_base->mtime)));
}

/* As a pair: a number of JSON does not hold so many nanoseconds. */
void assist_add_attr(cJSON *call, const struct remote_attr *attr)
{
	const double pair[] = { (double)attr->mtime.tv_sec,
		(double)attr->mtime.tv_nsec };

	if (attr->has_mode)
		(void)cJSON_AddNumberToObject(
			call, "mode", (double)(attr->mode & 07777));
	if (attr->has_mtime)
		(void)cJSON_AddItemToObject(
			call, "mtime", cJSON_CreateDoubleArray(pair, 2));
}

/* What the answer means, or that there is none. */
static int read_answer(struct assist *a, int rc,
	const struct helper_reply *answer, bool has_base, struct entry *ret)
{
	if (answer->data == NULL)
		return assist_unanswered(rc, answer);
	if (rc == -ESTALE && has_base) {
		rc = assist_parse_now(answer->data, ret);
		return rc == 0 ? -ESTALE : assist_check_protocol(a, rc);
	}
	if (rc == 0)
		rc = assist_parse_entry(answer->data, ret);
	if (rc < 0)
		entry_clear(ret);
	return assist_check_protocol(a, rc);
}

int assist_setattr(struct remote *remote, const char *path,
	const struct entry *or_base, const struct remote_attr *attr,
	const struct cancel *cancel, struct entry *ret_entry)
{
	struct assist *a = assist_of(remote);
	struct helper_reply answer = { 0 };
	cJSON *call;
	int rc;

	*ret_entry = (struct entry){ .size = -1 };
	if (!assist_is_usable(a))
		return -EOPNOTSUPP;
	call = assist_verb_at("setattr", "path", path);
	assist_add_base(call, or_base);
	assist_add_attr(call, attr);
	rc = assist_ask(a, call, NULL, ASSIST_CALL_MS, cancel, &answer);
	rc = read_answer(a, rc, &answer, or_base != NULL, ret_entry);
	helper_reply_clear(&answer);
	if (rc == 0)
		ret_entry->name = g_strdup(path_basename(path));
	return rc;
}
