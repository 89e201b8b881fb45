/* attendant.c - see attendant.h. */
#include "config.h"

#include "attendant.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

static const int end_signals[] = { SIGTERM, SIGINT };
static _Atomic(const struct attendant_hooks *) hooks_of_handler;

static void end_signals_add(sigset_t *set)
{
	for (size_t i = 0; i < sizeof(end_signals) / sizeof(end_signals[0]);
		i++)
		(void)sigaddset(set, end_signals[i]);
}

/* Those that only the attendant hears; the last one wakes it. */
static void attended_signals(sigset_t *ret)
{
	(void)sigemptyset(ret);
	(void)sigaddset(ret, SIGHUP);
	(void)sigaddset(ret, SIGUSR1);
	(void)sigaddset(ret, SIGUSR2);
}

static void on_end_signal(int number)
{
	const struct attendant_hooks *hooks = atomic_load(&hooks_of_handler);
	int saved = errno;

	(void)number;
	if (hooks != NULL)
		hooks->end(hooks->arg);
	errno = saved;
}

void attendant_install(struct attendant *a, const struct attendant_hooks *hooks)
{
	struct sigaction end = { .sa_handler = on_end_signal };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t attended;

	a->hooks = hooks;
	atomic_store(&hooks_of_handler, hooks);
	attended_signals(&attended);
	(void)pthread_sigmask(SIG_BLOCK, &attended, NULL);
	for (size_t i = 0; i < sizeof(end_signals) / sizeof(end_signals[0]);
		i++)
		(void)sigaction(end_signals[i], &end, NULL);
	(void)sigaction(SIGPIPE, &ignore, NULL);
}

/* Either of the two may have been given a signal that ends the mount; the main
 * thread is the one that has to leave what it waits in. */
static void end_both(struct attendant *a, int number)
{
	on_end_signal(number);
	(void)pthread_kill(a->main_thread, number);
}

static void heed(struct attendant *a, int number)
{
	if (number == SIGTERM || number == SIGINT)
		end_both(a, number);
	else if (number == SIGHUP && a->hooks->refresh != NULL)
		a->hooks->refresh(a->hooks->arg);
	else if (number == SIGUSR1 && a->hooks->report != NULL)
		a->hooks->report(a->hooks->arg);
}

static void *attend(void *arg)
{
	struct attendant *a = arg;
	sigset_t set;

	attended_signals(&set);
	end_signals_add(&set);
	for (;;) {
		int number = 0;

		(void)sigwait(&set, &number);
		if (atomic_load(&a->is_over))
			return NULL;
		heed(a, number);
	}
}

int attendant_start(struct attendant *a)
{
	sigset_t set;
	int error;

	(void)sigemptyset(&set);
	end_signals_add(&set);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	a->main_thread = pthread_self();
	error = pthread_create(&a->thread, NULL, attend, a);
	a->is_there = error == 0;
	return -error;
}

void attendant_listen(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	end_signals_add(&set);
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void attendant_end(struct attendant *a)
{
	atomic_store(&hooks_of_handler, NULL);
	if (!a->is_there)
		return;
	atomic_store(&a->is_over, true);
	(void)pthread_kill(a->thread, SIGUSR2);
	(void)pthread_join(a->thread, NULL);
	a->is_there = false;
}
