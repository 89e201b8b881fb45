/* Any bytes as what is written into a run's ctl: a signal that there is. */
#include "config.h"

#include "fuzz.h"

#include "run_dir.h"

void fuzz_ctl(const uint8_t *bytes, size_t length)
{
	g_autofree char *text = g_memdup2(bytes, length);
	int number = length == 0 ? 0 : run_dir_signal_number(text, length);

	if (number < 0 || number > 64)
		g_error("a signal of %d", number);
}
