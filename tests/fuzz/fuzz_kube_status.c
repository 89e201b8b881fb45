/* Any bytes as each of the API server's answers, and as all of them at once. */
#include "config.h"

#include "fuzz.h"

#include "common_limits.h"
#include "kube_error.h"
#include "kube_quantity.h"
#include "kube_spec.h"
#include "kube_status.h"

#include <string.h>

/* What goes to a terminal is one line, of bounded length. */
static void check_sentence(const char *sentence)
{
	if (!g_utf8_validate(sentence, -1, NULL) ||
		strpbrk(sentence, "\n\r\033") != NULL ||
		strlen(sentence) > 2 * (size_t)KUBE_TEXT_MAX)
		g_error("an unfit sentence: %s", sentence);
}

static void check_error(const uint8_t *bytes, size_t length)
{
	g_autofree char *text = g_memdup2(bytes, length);
	struct kube_error e;

	kube_error_parse(403, text, length, &e);
	check_sentence(e.sentence);
	kube_error_clear(&e);
}

/* The workload, the pods, ... are members of one object. */
static void check_condition(const cJSON *all, const char *workload)
{
	const struct kube_view view = {
		.name = "lab",
		.workload = json_object(all, workload),
		.pods = json_object(all, "pods"),
		.claim = json_object(all, "claim"),
		.events = json_object(all, "events"),
	};
	struct kube_condition c;

	kube_condition_read(&view, &c);
	check_sentence(c.sentence);
	(void)kube_state_name(c.state);
	kube_condition_clear(&c);
}

static void check_spec(const cJSON *object)
{
	struct kube_workspace_spec spec = { .name = "lab" };
	char *why = NULL;
	cJSON *deployment;

	secret_unref(kube_spec_token(object));
	(void)kube_spec_is_ours(object, "lab");
	kube_spec_adopt(&spec, object);
	if (kube_spec_check(&spec, &why) != 0) {
		g_free(why);
		return;
	}
	deployment = kube_spec_deployment(&spec);
	cJSON_Delete(deployment);
}

static void check_quantity(const uint8_t *bytes, size_t length)
{
	g_autofree char *text = g_strndup((const char *)bytes, length);
	double value;

	if (kube_quantity_parse(text, &value) && !(value > 0))
		g_error("a quantity of %f: %s", value, text);
}

void fuzz_kube_status(const uint8_t *bytes, size_t length)
{
	g_autofree char *text = g_memdup2(bytes, length);
	g_autoptr(cJSON) all = json_parse(text, length);

	check_error(bytes, length);
	check_quantity(bytes, length);
	check_spec(all);
	check_condition(all, "workload");
	/* A workload alone, as a watch brings it. */
	check_condition(all, "object");
}
