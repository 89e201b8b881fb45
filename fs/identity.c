/* identity.c - see identity.h. */
#include "config.h"

#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define USERS_UMASK 022
#define ROOT	    0
#define SUBSTITUTE  "/var/tmp/pycloud-"
#define NOWHERE	    "/nonexistent"

/* --- who that is ---------------------------------------------------------- */

static char *home_of(uid_t uid, const struct passwd *pw)
{
	if (pw != NULL && g_path_is_absolute(pw->pw_dir) &&
		g_file_test(pw->pw_dir, G_FILE_TEST_IS_DIR))
		return g_strdup(pw->pw_dir);
	/* As local_dirs.h has it. */
	return g_strdup_printf(SUBSTITUTE "%u", (unsigned)uid);
}

struct identity *identity_new(uid_t uid, const gid_t *gid, char **ret_why)
{
	const struct passwd *pw = getpwuid(uid);
	struct identity *i;

	if (pw == NULL && gid == NULL) {
		*ret_why = g_strdup_printf(
			"no user of this computer has the number %u; name one "
			"that is there (getent passwd lists them), or say "
			"which group it has: uid=%u,gid=N",
			(unsigned)uid, (unsigned)uid);
		return NULL;
	}
	i = g_new0(struct identity, 1);
	i->uid = uid;
	i->gid = gid != NULL ? *gid : pw->pw_gid;
	i->name = pw == NULL ? NULL : g_strdup(pw->pw_name);
	i->home = home_of(uid, pw);
	i->shell = pw == NULL || *pw->pw_shell == '\0' ? NULL
						       : g_strdup(pw->pw_shell);
	return i;
}

void identity_free(struct identity *i)
{
	if (i == NULL)
		return;
	g_free(i->name);
	g_free(i->home);
	g_free(i->shell);
	g_free(i);
}

/* --- the environment ------------------------------------------------------ */

/* All that root's session has given us may be a secret of root's, or lead to
 * one, and the user's programs inherit it. So only what says how text and time
 * look, where programs are and how the network is reached stays; the last line
 * is what systemd and Kubernetes tell the daemon itself. */
static bool is_for_everybody(const char *name)
{
	static const char *const names[] = { "PATH", "LANG", "LANGUAGE", "TZ",
		"TERM", "http_proxy", "https_proxy", "HTTP_PROXY",
		"HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
		"SSL_CERT_FILE", "SSL_CERT_DIR", "NOTIFY_SOCKET",
		"CREDENTIALS_DIRECTORY", "KUBERNETES_SERVICE_HOST",
		"KUBERNETES_SERVICE_PORT" };
	static const char *const prefixes[] = { "LC_", "PYCLOUD_" };

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	for (size_t i = 0; i < G_N_ELEMENTS(prefixes); i++)
		if (g_str_has_prefix(name, prefixes[i]))
			return true;
	return false;
}

/* What is below /var/tmp anybody may have made, with what the user's programs
 * would read in it. */
static bool has_home(const struct identity *who)
{
	struct stat st;

	if (!g_str_has_prefix(who->home, SUBSTITUTE))
		return true;
	(void)mkdir(who->home, 0700);
	return lstat(who->home, &st) == 0 && S_ISDIR(st.st_mode) &&
	       st.st_uid == who->uid;
}

/* Where the user's session is, if there is one: its bus leads to the keyring. */
static void adopt_session(const struct identity *who)
{
	g_autofree char *runtime =
		g_strdup_printf("/run/user/%u", (unsigned)who->uid);
	struct stat st;

	if (lstat(runtime, &st) == 0 && S_ISDIR(st.st_mode) &&
		st.st_uid == who->uid)
		(void)g_setenv("XDG_RUNTIME_DIR", runtime, TRUE);
}

static void adopt_environment(const struct identity *who)
{
	g_auto(GStrv) names = g_listenv();

	for (char **name = names; *name != NULL; name++)
		if (!is_for_everybody(*name))
			g_unsetenv(*name);
	(void)g_setenv("HOME", has_home(who) ? who->home : NOWHERE, TRUE);
	if (who->name != NULL) {
		(void)g_setenv("USER", who->name, TRUE);
		(void)g_setenv("LOGNAME", who->name, TRUE);
	}
	if (who->shell != NULL)
		(void)g_setenv("SHELL", who->shell, TRUE);
	adopt_session(who);
}

/* --- the rights ----------------------------------------------------------- */

static int take_groups(const struct identity *who)
{
	int rc = who->name != NULL ? initgroups(who->name, who->gid)
				   : setgroups(1, &who->gid);

	return rc < 0 ? -errno : 0;
}

int identity_borrow(const struct identity *who)
{
	int rc = take_groups(who);

	if (rc == 0 && setegid(who->gid) < 0)
		rc = -errno;
	if (rc == 0 && seteuid(who->uid) < 0)
		rc = -errno;
	if (rc < 0)
		(void)identity_give_back();
	else
		adopt_environment(who);
	return rc;
}

/* The user first: without root's rights there is no changing of groups. Of
 * root's own groups root has no need. */
int identity_give_back(void)
{
	if (seteuid(ROOT) < 0 || setegid(getgid()) < 0 ||
		setgroups(0, NULL) < 0)
		return -errno;
	return 0;
}

/* The kernel takes them away with the last id that was root's, unless it was
 * told to leave them (capabilities(7): securebits). */
static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	const struct __user_cap_data_struct none[2] = { { 0 } };

	return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

/* It is root's, and programs of the user's inherit it: they could read what is
 * typed there, and type themselves, to root's shell (tty_ioctl(2): TIOCSTI). Its
 * Ctrl-C goes by the process group, and is still ours. Who leads the session has
 * no shell above, and would hang up on all of it. */
static void leave_terminal(void)
{
	int tty = getsid(0) == getpid()
			  ? -1
			  : open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	int null = isatty(STDIN_FILENO) == 1
			   ? open("/dev/null", O_RDWR | O_CLOEXEC)
			   : -1;

	if (tty >= 0) {
		(void)ioctl(tty, TIOCNOTTY);
		(void)close(tty);
	}
	if (null >= 0) {
		(void)dup2(null, STDIN_FILENO);
		(void)close(null);
	}
}

int identity_become(const struct identity *who)
{
	int rc = take_groups(who);

	if (rc < 0)
		return rc;
	leave_terminal();
	if (setresgid(who->gid, who->gid, who->gid) < 0 ||
		setresuid(who->uid, who->uid, who->uid) < 0)
		return -errno;
	rc = drop_capabilities();
	/* Whoever can come back has not gone. */
	if (rc == 0 && seteuid(ROOT) == 0)
		rc = -EPERM;
	adopt_environment(who);
	(void)umask(USERS_UMASK);
	return rc;
}
