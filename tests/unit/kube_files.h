/* kube_files.h - kubeconfigs and plugins in a directory of the test's own. */
#ifndef PYCLOUD_TESTS_UNIT_KUBE_FILES_H
#define PYCLOUD_TESTS_UNIT_KUBE_FILES_H

#include "kubeconfig.h"
#include "scratch_place.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* PEM in its form, and no more: who reads it is curl. */
#define CERT_PEM                                  \
	"-----BEGIN CERTIFICATE-----\nQ0VSVA==\n" \
	"-----END CERTIFICATE-----\n"
#define KEY_PEM "-----BEGIN PRIVATE KEY-----\nS0VZ\n-----END PRIVATE KEY-----\n"

/* Home, and where every file of a test is. */
static struct scratch_place kube_home;

/* Before GLib has asked where home is; and nobody is at a terminal. */
static inline void kube_home_make(void)
{
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	scratch_place_make(&kube_home);
	g_assert_cmpint(dup2(null_fd, STDIN_FILENO), ==, STDIN_FILENO);
	(void)close(null_fd);
	(void)setenv("HOME", kube_home.path, 1);
	(void)unsetenv("KUBECONFIG");
	(void)unsetenv("KUBERNETES_SERVICE_HOST");
	(void)unsetenv("KUBERNETES_SERVICE_PORT");
}

static inline int kube_home_remove(int rc)
{
	scratch_place_remove(&kube_home);
	return rc;
}

/* g_free. */
static inline char *kube_path(const char *name)
{
	return g_build_filename(kube_home.path, name, NULL);
}

static inline void kube_write(const char *name, const char *text)
{
	g_autofree char *path = kube_path(name);
	g_autofree char *dir = g_path_get_dirname(path);

	assert_int_equal(g_mkdir_with_parents(dir, 0700), 0);
	assert_true(g_file_set_contents(path, text, -1, NULL));
	assert_int_equal(chmod(path, 0600), 0);
}

/* A plugin, in sh. */
static inline void kube_write_program(const char *name, const char *text)
{
	g_autofree char *path = kube_path(name);
	g_autofree char *script = g_strconcat("#!/bin/sh\n", text, NULL);

	kube_write(name, script);
	assert_int_equal(chmod(path, 0700), 0);
}

static inline char *kube_base64(const char *text)
{
	return g_base64_encode((const guchar *)text, strlen(text));
}

/* A kubeconfig with one of each, and these lines below `cluster:` and `user:`
 * (indented by four spaces). g_free. */
static inline char *kube_config(const char *cluster, const char *user)
{
	return g_strdup_printf("apiVersion: v1\n"
			       "kind: Config\n"
			       "current-context: here\n"
			       "contexts:\n"
			       "- name: here\n"
			       "  context:\n"
			       "    cluster: cl\n"
			       "    user: ann\n"
			       "    namespace: lab\n"
			       "clusters:\n"
			       "- name: cl\n"
			       "  cluster:\n"
			       "%s"
			       "users:\n"
			       "- name: ann\n"
			       "  user:\n"
			       "%s",
		cluster, user);
}

/* Loads the file of that name; *why is g_free's, NULL when it went well. */
static inline int kube_load(
	const char *name, struct kube_place **place, char **why)
{
	g_autofree char *path = kube_path(name);
	struct kubeconfig_wish wish = { .file = path };

	*place = NULL;
	*why = NULL;
	return kubeconfig_load(&wish, place, why);
}

/* Loads what is written there with these lines, which must be fine. */
static inline struct kube_place *kube_place_of(
	const char *cluster, const char *user)
{
	g_autofree char *text = kube_config(cluster, user);
	struct kube_place *place;
	char *why;

	kube_write("config", text);
	if (kube_load("config", &place, &why) != 0)
		fail_msg("%s", why);
	return place;
}

/* That it is refused, with these words in the sentence, the file's name, and
 * without the word SECRET. */
static inline void kube_refused(
	const char *cluster, const char *user, int rc, const char *words)
{
	g_autofree char *text = kube_config(cluster, user);
	g_autofree char *path = kube_path("config");
	g_autofree char *begin = g_strconcat(path, ":", NULL);
	g_autofree char *why = NULL;
	struct kube_place *place;

	kube_write("config", text);
	assert_int_equal(kube_load("config", &place, &why), rc);
	assert_null(place);
	if (strstr(why, words) == NULL || !g_str_has_prefix(why, begin) ||
		strstr(why, "SECRET") != NULL)
		fail_msg("it said: %s", why);
	assert_true(g_ascii_isdigit(why[strlen(begin)]));
	assert_true(g_str_has_suffix(why, "."));
}

#define KUBE_SERVER "    server: https://host:6443/\n"

#endif
