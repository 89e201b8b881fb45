/*
 * cluster_options.h - the command line of pycloud's commands for workspaces in
 * a cluster. Pure, but for GLib's words for what is wrong.
 */
#ifndef PYCLOUD_CLUSTER_OPTIONS_H
#define PYCLOUD_CLUSTER_OPTIONS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum cluster_command {
	CLUSTER_CREATE,
	CLUSTER_LIST,
	CLUSTER_START,
	CLUSTER_STOP,
	CLUSTER_DELETE,
	CLUSTER_LOGS,
	CLUSTER_DESCRIBE,
};

/* The texts are owned; NULL: not given. */
struct cluster_options {
	enum cluster_command command;
	bool wants_help;
	char *name;
	char *context;
	char *namespace;
	char *kubeconfig;
	char *image; /* create */
	char *cpu;
	char *memory;
	char *storage;
	char *storage_class;
	bool waits; /* create, start, stop */
	int timeout_ms;
	bool is_json;	  /* list, describe */
	bool keeps_files; /* delete */
	bool is_sure;
	bool is_followed; /* logs */
	bool is_previous;
	int64_t tail; /* lines; -1: all */
};

/* "create", ...: is this one of the commands? */
bool cluster_options_has(const char *word);

/* argv[1] is one of the commands. False: wrong, with a sentence in *ret_why
 * (g_free). cluster_options_clear() in either case. */
bool cluster_options_parse(
	int argc, char **argv, struct cluster_options *ret, char **ret_why);
void cluster_options_clear(struct cluster_options *);

/* cluster.c: connects, does what they say, cleans up, and returns the program's
 * exit status. Once per process. */
int cluster_run(const struct cluster_options *);

#endif
