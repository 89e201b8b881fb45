/* doctor_versions.c - pycloud doctor: which programs and libraries these are.
 */
#include "config.h"

#include "doctor.h"
#include "fuse_api.h"
#include "http.h"

#include <sys/utsname.h>
#include <unistd.h>

static void tell_system(const struct doctor_probe *p)
{
	g_autofree char *name = g_get_os_info(G_OS_INFO_KEY_PRETTY_NAME);
	struct utsname system = { .release = "?" };

	(void)uname(&system);
	doctor_tell(p, DOCTOR_OK, "system", NULL, "Linux %s %s, %s",
		system.release, system.machine,
		name != NULL ? name : "of unknown make");
}

void doctor_versions(const struct doctor_probe *p)
{
	g_autofree char *curl = http_library_version();

	doctor_tell(p, DOCTOR_OK, "versions", NULL,
		"pycloud %s, libfuse %s, libcurl %s, GLib %u.%u.%u",
		PACKAGE_VERSION, fuse_pkgversion(), curl, glib_major_version,
		glib_minor_version, glib_micro_version);
	tell_system(p);
	if (geteuid() != getuid())
		doctor_tell(p, DOCTOR_WARN, "user",
			"run it as the user who mounts, without setuid",
			"this program runs with another user's rights");
}
