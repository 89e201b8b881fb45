/* start_watch.c - see start_watch.h. */
#include "config.h"

#include "start_watch.h"

static void *watch(void *arg)
{
	const struct start_watch *w = arg;
	int number = 0;

	while (sigwait(&w->heard, &number) == 0 && number != SIGUSR2)
		w->handler(number);
	return NULL;
}

int start_watch_begin(struct start_watch *w, const int *signals, size_t count,
	void (*handler)(int number))
{
	int error;

	w->handler = handler;
	(void)sigemptyset(&w->heard);
	(void)sigaddset(&w->heard, SIGUSR2);
	for (size_t i = 0; i < count; i++)
		(void)sigaddset(&w->heard, signals[i]);
	error = pthread_create(&w->thread, NULL, watch, w);
	w->has_thread = error == 0;
	return -error;
}

void start_watch_end(struct start_watch *w)
{
	if (!w->has_thread)
		return;
	(void)pthread_kill(w->thread, SIGUSR2);
	(void)pthread_join(w->thread, NULL);
	w->has_thread = false;
}
