/*
 * service_notify.h - telling systemd how the mount is doing (sd_notify(3)).
 *
 * A service of Type=notify is given a datagram socket in $NOTIFY_SOCKET; lines
 * sent to it say that the mount is there, what is being waited for, and that a
 * stop takes its time. Without the socket nothing is sent. Nobody waits for
 * the one at the other end: what does not fit its queue is lost.
 *
 * service_notify_open() and service_notify_close() are for the main thread
 * while there is no other; the rest is for any thread.
 */
#ifndef PYCLOUD_SERVICE_NOTIFY_H
#define PYCLOUD_SERVICE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* Takes the socket out of the environment, which children do not inherit then,
 * and uses it if it is meant for us: not for a daemon, which is another's. */
void service_notify_open(bool is_meant);
void service_notify_close(void);

/* A start, or a stop, may take so long. */
void service_notify_starting(int64_t limit_ms);
void service_notify_stopping(int64_t limit_ms);
/* It is there. */
void service_notify_ready(void);
/* What systemctl status shows. */
void service_notify_status(const char *line);

#endif
