/*
 * fake_executor.h - runs that do what a test tells them.
 *
 * It implements executor.h: a start is granted or refused as scripted, and
 * what the run writes and how it ends comes from fake_run_output() and
 * fake_run_end(), on the thread that calls them (which plays the executor's).
 * Runs stay readable for the test until the executor is freed.
 */
#ifndef PYCLOUD_TESTS_FAKE_EXECUTOR_H
#define PYCLOUD_TESTS_FAKE_EXECUTOR_H

#include "executor.h"

#include <glib.h>

struct fake_run;

/* executor_free() frees it; it asserts that all runs were released. */
struct executor *fake_executor_new(void);
/* The next start fails so; 0: it does not. */
void fake_executor_refuse(struct executor *, int error);
/* The same, after its run has been said to have ended. */
void fake_executor_refuse_late(struct executor *, int error);
/* Called in the next starts, before they are granted. */
void fake_executor_on_start(
	struct executor *, void (*call)(void *arg), void *arg);
unsigned fake_executor_starts(struct executor *);
/* The run that was started last, or NULL. */
struct fake_run *fake_executor_last(struct executor *);

/* To stdout and to stderr, as frames of a record. */
void fake_run_output(struct fake_run *, const char *text);
void fake_run_error(struct fake_run *, const char *text);
/* The record's next bytes as they are; 0 or what the receiver said. */
int fake_run_record(struct fake_run *, const void *bytes, size_t length);
void fake_run_reach(struct fake_run *, int error);
/* How long its record is, from the place on that it was attached at. */
int64_t fake_run_place(const struct fake_run *);
const char *fake_run_id(const struct fake_run *);
void fake_run_end(struct fake_run *, int exit_status, int signal, int error);
/* With exit status 0, so long before it is told. */
void fake_run_end_late(struct fake_run *, int64_t ago_ms);
/* "main.py|arg|two words @ directory", or "attached at 17"; borrowed. */
const char *fake_run_command(const struct fake_run *);
/* What it was fed; ends in "<EOF>" after its end; g_free. */
char *fake_run_input(struct fake_run *);
int fake_run_signalled(struct fake_run *);
bool fake_run_is_released(struct fake_run *);
/* The same, soon: who files it away still has it. False: in vain. */
bool fake_run_await_release(struct fake_run *);

#endif
