/* kube_at.h - a kube whose API server is the test's. */
#ifndef PYCLOUD_TESTS_UNIT_KUBE_AT_H
#define PYCLOUD_TESTS_UNIT_KUBE_AT_H

#include "kube.h"
#include "test.h"

/* A cluster at that URL, where we are who the source says. */
static inline struct kube *kube_at(
	const char *url, const struct kube_auth_source *source)
{
	struct kube_place *place = g_new0(struct kube_place, 1);
	struct kube *kube;
	char *why = NULL;

	place->context = g_strdup("ctx");
	place->cluster = g_strdup("cl");
	place->namespace = g_strdup("n");
	place->server = g_strdup(url);
	place->origin = g_strdup("a test");
	place->auth = kube_auth_new(source);
	assert_int_equal(kube_new(place, &kube, &why), 0);
	assert_null(why);
	return kube;
}

static inline struct kube *kube_with_token(const char *url)
{
	struct secret *token = secret_new("b3arer", 6);
	const struct kube_auth_source source = { .name = "ann",
		.token = token };
	struct kube *kube = kube_at(url, &source);

	secret_unref(token);
	return kube;
}

#endif
