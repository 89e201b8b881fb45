/*
 * kernel_server.h - a Jupyter server whose kernels do as they are called.
 *
 * For tests only. It has kernelspecs, kernels and their WebSockets, and plays
 * the helper in each of them: it greets who opens a comm, and answers calls
 * whose verb it does not know. Those it knows:
 *
 *	mute     lost the first time it is sent
 *	vanish   the same, and the kernel is gone; its WebSocket stays open
 *	quit     answered; the kernel says that it ends, and is gone
 *	restart  answered; the kernel says that it restarts, and loses the next
 *	         comm that is opened
 *	abandon  answered as helper.py does
 */
#ifndef PYCLOUD_TESTS_KERNEL_SERVER_H
#define PYCLOUD_TESTS_KERNEL_SERVER_H

#include <stdbool.h>

struct kernel_server;

/* Python's kernelspec, or another language's. */
struct kernel_server *kernel_server_start(bool has_python);
void kernel_server_stop(struct kernel_server *);
const char *kernel_server_url(const struct kernel_server *);

/* The next kernel dies as it starts. Its WebSocket is never answered, or opened
 * and hung up. */
void kernel_server_break_start(struct kernel_server *, bool is_answered);

unsigned kernel_server_started(struct kernel_server *);
unsigned kernel_server_alive(struct kernel_server *);
/* How often a kernel was asked for by its id. */
unsigned kernel_server_checks(struct kernel_server *);
/* Comms opened, and calls that came, the lost ones too. */
unsigned kernel_server_openings(struct kernel_server *);
unsigned kernel_server_calls(struct kernel_server *);
/* From its next message on no WebSocket is read, as in a network that is gone. */
void kernel_server_set_deaf(struct kernel_server *, bool is_deaf);
/* That verb is lost whenever it is sent. */
void kernel_server_lose(struct kernel_server *, const char *verb);
/* That one is what "vanish" is above. */
void kernel_server_vanish_at(struct kernel_server *, const char *verb);
/* How often a verb has come, the lost ones too. "again": how often the answer of
 * one alone was asked for, which is no call. */
unsigned kernel_server_count(struct kernel_server *, const char *verb);
/* Waits until it has come so often; false: in vain. */
bool kernel_server_await(
	struct kernel_server *, const char *verb, unsigned count);
/* False when anything at all is asked within that time. */
bool kernel_server_stays_idle(struct kernel_server *, int ms);

#endif
