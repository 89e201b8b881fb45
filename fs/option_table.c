/* option_table.c - see option_table.h. */
#include "config.h"

#include "option_table.h"

#include "options.h"

#include <glib.h>
#include <string.h>

#define AT(field) offsetof(struct options, field)
/* Accepted, and nothing to read about. */
#define IGNORED(name)                                                  \
	{                                                              \
		name, KIND_IGNORE, 0, SECTION_SILENT, NULL, NULL, NULL \
	}

/* One row in three lines: rows are added by many hands, and merge well so. */
/* clang-format off */
const struct option_row option_table[] = {
	{ "timeout", KIND_LIMIT, AT(timeout_ms),
		SECTION_TIME, "SECONDS", "30",
		"limit of a request" },
	{ "stall", KIND_LIMIT, AT(stall_ms),
		SECTION_TIME, "SECONDS", "30",
		"limit of a transfer without a byte" },
	{ "attr_timeout", KIND_SECONDS, AT(attr_timeout_ms),
		SECTION_TIME, "SECONDS", "5",
		"how long names and attributes are believed" },
	{ "writeback", KIND_SECONDS, AT(writeback_ms),
		SECTION_TIME, "SECONDS", "0: before",
		"upload so long after close" },

	{ "uid", KIND_UID, AT(uid),
		SECTION_FILES, "USER", "you",
		"owner of all files; as root: run as that user" },
	{ "gid", KIND_GID, AT(gid),
		SECTION_FILES, "GROUP", "the user's",
		"group of all files" },
	{ "umask", KIND_UMASK, 0,
		SECTION_FILES, "M", NULL,
		"permission bits to take away, octal" },
	{ "fmask", KIND_MASK, AT(fmask),
		SECTION_FILES, "M", NULL,
		"the same, from files only" },
	{ "dmask", KIND_MASK, AT(dmask),
		SECTION_FILES, "M", NULL,
		"the same, from directories only" },
	{ "cache_size", KIND_SIZE, AT(cache_bytes),
		SECTION_FILES, "BYTES", "1G",
		"of files kept on the local disk" },
	{ "prefetch", KIND_CHOICE, AT(has_prefetch),
		SECTION_FILES, "off|on", "on",
		"ask for what will be asked for next" },
	{ "assist", KIND_CHOICE, AT(has_assist),
		SECTION_FILES, "off|on", "off",
		"let a kernel of the workspace help with its files" },
	{ "overlay", KIND_STRING, AT(overlay_patterns),
		SECTION_FILES, "GLOB:GLOB...", NULL,
		"names that stay on this computer, besides editors' own" },
	{ "hidden", KIND_CHOICE, AT(refuses_hidden),
		SECTION_FILES, "keep|refuse", "keep",
		"dot names that the server refuses: keep them here" },

	{ "runs_keep", KIND_RUNS, AT(runs_keep),
		SECTION_RUNS, "N", "20",
		"runs whose output is kept" },
	{ "run_output_max", KIND_OUTPUT, AT(run_output_max),
		SECTION_RUNS, "BYTES", "1G",
		"of one run's output, its tail" },

	{ "context", KIND_STRING, AT(context),
		SECTION_CLUSTER, "CONTEXT", "kubectl's",
		"which cluster" },
	{ "kubecontext", KIND_STRING, AT(context),
		SECTION_CLUSTER, "CONTEXT", NULL,
		"the same; mount(8) takes the other one away" },
	{ "namespace", KIND_STRING, AT(namespace),
		SECTION_CLUSTER, "NAMESPACE", "kubectl's",
		"which namespace of it" },
	{ "kubeconfig", KIND_STRING, AT(kubeconfig),
		SECTION_CLUSTER, "FILE", "kubectl's",
		"where clusters are described" },
	{ "via", KIND_CHOICE, AT(is_portforwarded),
		SECTION_CLUSTER, "proxy|portforward", "proxy",
		"how the pod is reached" },
	{ "url", KIND_STRING, AT(url),
		SECTION_CLUSTER, "URL", NULL,
		"reach the workspace there (an ingress)" },
	{ "start", KIND_CHOICE, AT(never_starts),
		SECTION_CLUSTER, "auto|never", "auto",
		"start a stopped workspace" },
	{ "start_timeout", KIND_LIMIT, AT(start_timeout_ms),
		SECTION_CLUSTER, "SECONDS", "600",
		"how long to wait until it is ready" },
	{ "create", KIND_FLAG, AT(creates),
		SECTION_CLUSTER, NULL, NULL,
		"make the workspace, where there is none" },
	{ "image", KIND_STRING, AT(image),
		SECTION_CLUSTER, "IMAGE", NULL,
		"what it is made from then" },

	{ "credentials", KIND_STRING, AT(credentials_file),
		SECTION_SERVER, "FILE", NULL,
		"the token is its first line; mode 0600" },
	{ "token_command", KIND_STRING, AT(token_command),
		SECTION_SERVER, "COMMAND", NULL,
		"a program that prints the token" },
	{ "cacert", KIND_STRING, AT(ca_file),
		SECTION_SERVER, "FILE", "the system's",
		"trust this certificate authority" },
	{ "insecure", KIND_FLAG, AT(is_insecure),
		SECTION_SERVER, NULL, NULL,
		"do not verify the server's certificate" },

	{ "config", KIND_STRING, AT(config_file),
		SECTION_MOUNT, "FILE", "see pycloud.conf(5)",
		"options and names of workspaces" },
	{ "ro", KIND_READ_ONLY, AT(is_read_only),
		SECTION_MOUNT, NULL, NULL,
		"read only" },
	{ "allow_other", KIND_PASS, 0,
		SECTION_MOUNT, NULL, NULL,
		"other users may enter too" },
	{ "allow_root", KIND_PASS, 0,
		SECTION_MOUNT, NULL, NULL,
		"root may enter too" },
	{ "nonempty", KIND_FLAG, AT(allows_nonempty),
		SECTION_MOUNT, NULL, NULL,
		"mount over a directory that has files" },
	{ "noexec", KIND_PASS, 0,
		SECTION_MOUNT, NULL, NULL,
		"execute no file" },
	{ "noatime", KIND_PASS, 0,
		SECTION_MOUNT, NULL, NULL,
		"passed on to the kernel" },
	{ "debug", KIND_FLAG, AT(is_debug),
		SECTION_MOUNT, NULL, NULL,
		"the same as -d" },

	IGNORED("auto"),
	IGNORED("noauto"),
	IGNORED("defaults"),
	IGNORED("user"),
	IGNORED("users"),
	IGNORED("nouser"),
	IGNORED("owner"),
	IGNORED("group"),
	IGNORED("_netdev"),
	IGNORED("nofail"),
	IGNORED("rw"),
	IGNORED("exec"),
	IGNORED("atime"),
	IGNORED("relatime"),
	IGNORED("async"),
	/* A mount of somebody's server never has these. */
	IGNORED("suid"),
	IGNORED("dev"),
	IGNORED("nosuid"),
	IGNORED("nodev"),
};

const struct option_letter option_letters[] = {
	{ "foreground", 0, NULL, AT(is_foreground),
		"do not become a daemon" },
	{ "debug", 'd', NULL, AT(is_debug),
		"log every operation (implies --foreground)" },
	{ "fake", 'f', NULL, AT(is_fake),
		"do all but mount" },
	{ "sloppy", 's', NULL, AT(is_sloppy),
		"ignore unknown options" },
	{ "verbose", 'v', NULL, AT(is_verbose),
		"say more" },
	{ "no-mtab", 'n', NULL, AT(has_no_mtab),
		"accepted and ignored" },
	{ "help", 'h', NULL, AT(wants_help),
		"show this" },
	{ "version", 'V', NULL, AT(wants_version),
		"show the version" },
};
/* clang-format on */

const size_t option_table_count = G_N_ELEMENTS(option_table);
const size_t option_letter_count = G_N_ELEMENTS(option_letters);

const struct option_row *option_table_find(const char *name)
{
	for (size_t i = 0; i < option_table_count; i++)
		if (strcmp(option_table[i].name, name) == 0)
			return &option_table[i];
	return NULL;
}

const char *option_section_title(enum option_section section)
{
	static const char *const titles[OPTION_SECTIONS] = {
		[SECTION_TIME] = "Time",
		[SECTION_FILES] = "Files",
		[SECTION_RUNS] = "Runs",
		[SECTION_CLUSTER] = "A workspace of a Kubernetes cluster",
		[SECTION_SERVER] = "The server",
		[SECTION_MOUNT] = "The mount",
	};

	return section < OPTION_SECTIONS ? titles[section] : NULL;
}
