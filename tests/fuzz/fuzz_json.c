/* Any bytes through the JSON reader; what it accepts prints and reads back. */
#include "config.h"

#include "fuzz.h"

#include "json.h"

#include <string.h>

void fuzz_json(const uint8_t *bytes, size_t length)
{
	g_autofree char *text = g_memdup2(bytes, length);
	g_autoptr(cJSON) json = json_parse(text, length);
	g_autofree char *printed = json == NULL ? NULL : json_print(json);
	g_autofree char *string = g_strndup((const char *)bytes, length);
	g_autofree char *quoted = json_quote(string);
	g_autoptr(cJSON) again = json_parse(quoted, strlen(quoted));

	if (json != NULL && printed == NULL)
		g_error("what was read cannot be printed");
	if (again == NULL)
		g_error("what was quoted cannot be read");
}
