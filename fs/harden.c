/* harden.c - see harden.h. */
#include "config.h"

#include "harden.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#ifdef HAVE_SECCOMP
#include <seccomp.h>
#endif

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#endif

void harden_memory(void)
{
	const struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
#ifdef IS_SANITIZED
	(void)prctl(PR_SET_DUMPABLE, 1); /* 0 after a change of ids */
#else
	(void)prctl(PR_SET_DUMPABLE, 0);
#endif
}

#ifdef HAVE_SECCOMP

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* By name: which of them there are differs by architecture and by version. */
static const char *const denied[] = {
	/* Other programs. Whatever is needed was started before. */
	"execve", "execveat",
/* Other processes' memory and files. */
#ifndef IS_SANITIZED
	"ptrace", /* which LeakSanitizer looks at its own threads with */
#endif
	"process_vm_readv", "process_vm_writev", "process_madvise", "kcmp",
	"pidfd_getfd",
	/* Namespaces and mounts; clone's flags are below. */
	"unshare", "setns", "mount", "mount_setattr", "move_mount", "fsopen",
	"fsconfig", "fsmount", "fspick", "open_tree", "pivot_root", "chroot",
	"open_by_handle_at", "quotactl", "quotactl_fd",
	/* The kernel: its modules, its programs, its keys, its log. */
	"init_module", "finit_module", "create_module", "delete_module",
	"kexec_load", "kexec_file_load", "bpf", "perf_event_open", "add_key",
	"request_key", "keyctl", "syslog", "lookup_dcookie",
	/* Much code of the kernel's that we have no use for. */
	"io_uring_setup", "io_uring_enter", "io_uring_register", "userfaultfd",
	"personality", "modify_ldt", "vm86", "vm86old", "uselib", "nfsservctl",
	/* The computer itself. */
	"reboot", "swapon", "swapoff", "acct", "sethostname", "setdomainname",
	"settimeofday", "stime", "clock_settime", "clock_settime64", "adjtimex",
	"clock_adjtime", "clock_adjtime64", "iopl", "ioperm", "vhangup"
};

static const unsigned namespace_flags[] = { CLONE_NEWUSER, CLONE_NEWNS,
	CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS,
	CLONE_NEWCGROUP };

static int deny_names(scmp_filter_ctx filter)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < COUNT(denied); i++) {
		int call = seccomp_syscall_resolve_name(denied[i]);

		/* libseccomp may be older than the call. */
		if (call != __NR_SCMP_ERROR)
			rc = seccomp_rule_add(
				filter, SCMP_ACT_ERRNO(EPERM), call, 0);
	}
	return rc;
}

static int deny_namespaces(scmp_filter_ctx filter)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < COUNT(namespace_flags); i++) {
		scmp_datum_t flag = namespace_flags[i];
#ifdef __s390__
		struct scmp_arg_cmp has_flag =
			SCMP_A1_64(SCMP_CMP_MASKED_EQ, flag, flag);
#else
		struct scmp_arg_cmp has_flag =
			SCMP_A0_64(SCMP_CMP_MASKED_EQ, flag, flag);
#endif

		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM),
			SCMP_SYS(clone), 1, has_flag);
	}
	if (rc == 0)
		rc = seccomp_rule_add(
			filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return rc;
}

static int set_up(scmp_filter_ctx filter, bool is_logged)
{
	/* Another architecture's calls (32 bits) have other numbers: none. */
	int rc = seccomp_attr_set(
		filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));

	if (rc == 0)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 1);
	if (rc == 0)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	/* Nice to have, where the kernel can. */
	if (rc == 0 && is_logged)
		(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	if (rc == 0)
		rc = deny_names(filter);
	if (rc == 0)
		rc = deny_namespaces(filter);
	return rc;
}

int harden_lock(bool is_logged)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int rc;

	if (filter == NULL)
		return -ENOMEM;
	rc = set_up(filter, is_logged);
	if (rc == 0)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	return rc;
}

#else

int harden_lock(bool is_logged)
{
	(void)is_logged;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return -ENOSYS;
}

#endif
