/*
 * doctor_keyring.c - pycloud doctor: can the desktop's keyring be asked?
 *
 * Over D-Bus as libsecret would, but nothing is started for it: neither a bus
 * nor a keyring, and no prompt is shown.
 */
#include "config.h"

#include "doctor.h"

#include <gio/gio.h>
#include <unistd.h>

#define BUS_NAME   "org.freedesktop.DBus"
#define BUS_PATH   "/org/freedesktop/DBus"
#define SECRETS	   "org.freedesktop.secrets"
#define COLLECTION "/org/freedesktop/secrets/aliases/default"
#define CALL_MS	   2000
#define INSTEAD                                                            \
	"keep a server's token in a file (run: pycloud login --file FILE " \
	"URL; mount with -o credentials=FILE) or in PYCLOUD_TOKEN"

/* NULL: there is none; g_free. */
static char *bus_address(void)
{
	const char *address = g_getenv("DBUS_SESSION_BUS_ADDRESS");
	const char *runtime = g_getenv("XDG_RUNTIME_DIR");
	g_autofree char *path = NULL;

	if (address != NULL && *address != '\0')
		return g_strdup(address);
	if (runtime == NULL || *runtime != '/')
		return NULL;
	path = g_build_filename(runtime, "bus", NULL);
	return access(path, F_OK) == 0 ? g_strconcat("unix:path=", path, NULL)
				       : NULL;
}

static GVariant *call(GDBusConnection *bus, const char *name, const char *path,
	const char *interface, const char *method, GVariant *arguments)
{
	return g_dbus_connection_call_sync(bus, name, path, interface, method,
		arguments, NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, CALL_MS, NULL,
		NULL);
}

static bool is_running(GDBusConnection *bus)
{
	g_autoptr(GVariant) answer = call(bus, BUS_NAME, BUS_PATH, BUS_NAME,
		"NameHasOwner", g_variant_new("(s)", SECRETS));
	gboolean is_owned = FALSE;

	if (answer != NULL &&
		g_variant_is_of_type(answer, G_VARIANT_TYPE("(b)")))
		g_variant_get(answer, "(b)", &is_owned);
	return is_owned;
}

static bool can_start(GDBusConnection *bus)
{
	g_autoptr(GVariant) answer = call(bus, BUS_NAME, BUS_PATH, BUS_NAME,
		"ListActivatableNames", NULL);
	g_autofree const char **names = NULL;

	if (answer == NULL ||
		!g_variant_is_of_type(answer, G_VARIANT_TYPE("(as)")))
		return false;
	g_variant_get(answer, "(^a&s)", &names);
	return g_strv_contains(names, SECRETS);
}

static void tell_lock(const struct doctor_probe *p, GDBusConnection *bus)
{
	g_autoptr(GVariant) answer = call(bus, SECRETS, COLLECTION,
		"org.freedesktop.DBus.Properties", "Get",
		g_variant_new(
			"(ss)", "org.freedesktop.Secret.Collection", "Locked"));
	g_autoptr(GVariant) value = NULL;

	if (answer == NULL ||
		!g_variant_is_of_type(answer, G_VARIANT_TYPE("(v)"))) {
		doctor_tell(p, DOCTOR_WARN, "keyring",
			"make a keyring in your desktop's settings, or " INSTEAD,
			"it runs, but does not show a default keyring");
		return;
	}
	g_variant_get(answer, "(v)", &value);
	if (g_variant_is_of_type(value, G_VARIANT_TYPE_BOOLEAN) &&
		g_variant_get_boolean(value))
		doctor_tell(p, DOCTOR_WARN, "keyring",
			"unlock it (log in to the desktop, or open its "
			"keyring program), or " INSTEAD,
			"it runs and is locked");
	else
		doctor_tell(p, DOCTOR_OK, "keyring", NULL,
			"it runs and is unlocked; pycloud login URL keeps a "
			"server's token there");
}

static void look_at(const struct doctor_probe *p, GDBusConnection *bus)
{
	if (is_running(bus))
		tell_lock(p, bus);
	else if (can_start(bus))
		doctor_tell(p, DOCTOR_OK, "keyring", NULL,
			"it does not run now; the first program that asks for "
			"a token starts it");
	else
		doctor_tell(p, DOCTOR_WARN, "keyring",
			"install gnome-keyring or another keeper of secrets, "
			"or " INSTEAD,
			"nothing on the session's bus keeps secrets");
}

/* A server, or a login by ssh, mostly has none. */
void doctor_keyring(const struct doctor_probe *p)
{
	g_autofree char *address = bus_address();
	g_autoptr(GDBusConnection) bus = NULL;
	g_autoptr(GError) error = NULL;

	if (address == NULL) {
		doctor_tell(p, DOCTOR_OK, "keyring", "without one, " INSTEAD,
			"this session has no bus, so no keyring is asked");
		return;
	}
	bus = g_dbus_connection_new_for_address_sync(address,
		G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
			G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
		NULL, NULL, &error);
	if (bus == NULL)
		doctor_tell(p, DOCTOR_WARN, "keyring",
			"log in again, or " INSTEAD,
			"the session's bus does not answer (%s)",
			error->message);
	else
		look_at(p, bus);
}
