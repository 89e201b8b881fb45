/* client_signals.c - what the user's signals mean to a run; see client.h. */
#include "config.h"

#include "client.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static const struct {
	int number;
	const char *name;
} signals[] = {
	{ SIGINT, "INT" },
	{ SIGTERM, "TERM" },
	{ SIGHUP, "HUP" },
	{ SIGQUIT, "QUIT" },
};

struct sending {
	const struct client_watch *watch;
	const char *name;
};

static const char *name_of(int number)
{
	for (size_t i = 0; i < G_N_ELEMENTS(signals); i++)
		if (signals[i].number == number)
			return signals[i].name;
	return "TERM";
}

static void *send_signal(void *arg)
{
	struct sending *s = arg;
	int rc = client_signal(s->watch->mount, s->watch->number, s->name);

	if (rc < 0 && rc != -ESRCH)
		(void)client_error(0, "SIG%s did not reach run %s: %s", s->name,
			s->watch->number, g_strerror(-rc));
	g_free(s);
	return NULL;
}

/* Not those that we were started to ignore (nohup, a shell's background jobs):
 * once blocked, they would come all the same. */
static void minded(sigset_t *ret)
{
	struct sigaction now;

	(void)sigemptyset(ret);
	for (size_t i = 0; i < G_N_ELEMENTS(signals); i++)
		if (sigaction(signals[i].number, NULL, &now) == 0 &&
			now.sa_handler != SIG_IGN)
			(void)sigaddset(ret, signals[i].number);
}

/* In a thread of its own: the workspace may be far away, and the next signal
 * must not wait for the answer. */
static void start_sending(const struct client_watch *w, const char *name)
{
	struct sending *s = g_new(struct sending, 1);
	pthread_t thread;

	*s = (struct sending){ w, name };
	if (pthread_create(&thread, NULL, send_signal, s) == 0)
		(void)pthread_detach(thread);
	else
		(void)send_signal(s);
}

static void leave(const struct client_watch *w, int number) G_GNUC_NORETURN;
static void leave(const struct client_watch *w, int number)
{
	(void)client_error(0,
		"run %s goes on; `pycloud attach %s` shows the rest of it",
		w->number, w->number);
	_exit(CLIENT_SIGNALED + number);
}

/* Ctrl-C is INT, the second one KILL; whoever cannot wait for the workspace to
 * hear that leaves with the third. */
static void *mind_signals(void *arg)
{
	const struct client_watch *w = arg;
	unsigned interrupts = 0;
	sigset_t set;
	int number;

	minded(&set);
	for (;;) {
		if (sigwait(&set, &number) != 0)
			continue;
		if (number == SIGINT && ++interrupts == 2)
			start_sending(w, "KILL");
		else if (interrupts > 2 || (w->is_attached && number != SIGINT))
			leave(w, number);
		else
			start_sending(w, name_of(number));
	}
	return NULL;
}

bool client_signals_start(const struct client_watch *w)
{
	pthread_t thread;
	sigset_t set;

	minded(&set);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	return pthread_create(
		       &thread, NULL, mind_signals, (void *)(uintptr_t)w) == 0;
}
