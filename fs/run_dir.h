/*
 * run_dir.h - .pycloud/runs: a directory for each run, and `last`.
 *
 * What is in a run's directory is said in control.h. Its output is run_file.c's
 * and its texts are control_text.c's; here are the directories, the signals
 * (`ctl`) and the figures, which are read from the run's record.
 */
#ifndef PYCLOUD_RUN_DIR_H
#define PYCLOUD_RUN_DIR_H

/* "INT", "SIGINT", "2" -> 2, with a line's end or without; 0: unknown. The
 * numbers are Linux's, whatever the workspace's machine is. */
int run_dir_signal_number(const char *bytes, unsigned long length);

#endif
