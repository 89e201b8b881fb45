/* client_cancel.c - see client_cancel.h. */
#include "config.h"

#include "client_cancel.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>

static _Atomic(struct cancel *) heard_by;

static void on_signal(int number)
{
	struct cancel *cancel = atomic_load(&heard_by);
	int saved = errno;

	(void)number;
	if (cancel != NULL)
		cancel_fire(cancel);
	errno = saved;
}

void client_cancel_set(struct cancel *cancel)
{
	atomic_store(&heard_by, cancel);
}

void client_cancel_hear(int number, int flags)
{
	struct sigaction fire = { .sa_handler = on_signal };

	fire.sa_flags = flags;
	(void)sigaction(number, &fire, NULL);
}
