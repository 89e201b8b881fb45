/* kube_quantity.c - see kube_quantity.h. */
#include "config.h"

#include "kube_quantity.h"

#include "common_limits.h"

#include <glib.h>
#include <string.h>

/* Longer ones are no size, and would be no number either. */

static const struct unit {
	const char *suffix;
	double factor;
} units[] = {
	{ "", 1 },
	{ "m", 1e-3 },
	{ "k", 1e3 },
	{ "M", 1e6 },
	{ "G", 1e9 },
	{ "T", 1e12 },
	{ "P", 1e15 },
	{ "E", 1e18 },
	{ "Ki", 0x1p10 },
	{ "Mi", 0x1p20 },
	{ "Gi", 0x1p30 },
	{ "Ti", 0x1p40 },
	{ "Pi", 0x1p50 },
	{ "Ei", 0x1p60 },
};

static const char *skip_digits(const char *at)
{
	while (g_ascii_isdigit(*at))
		at++;
	return at;
}

/* Where the number ends and the unit begins; NULL when there is no number. */
static const char *skip_number(const char *text)
{
	const char *at = skip_digits(text);
	const char *fraction;

	if (at == text)
		return NULL;
	if (*at != '.')
		return at;
	fraction = at + 1;
	at = skip_digits(fraction);
	return at == fraction ? NULL : at;
}

bool kube_quantity_parse(const char *text, double *ret)
{
	const char *suffix;
	size_t i;

	if (strlen(text) > KUBE_QUANTITY_MAX)
		return false;
	suffix = skip_number(text);
	if (suffix == NULL)
		return false;
	for (i = 0; i < G_N_ELEMENTS(units); i++) {
		if (strcmp(suffix, units[i].suffix) != 0)
			continue;
		*ret = g_ascii_strtod(text, NULL) * units[i].factor;
		return *ret > 0;
	}
	return false;
}
