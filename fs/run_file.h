/*
 * run_file.h - the kind ".run": a conversation with a program in the workspace.
 *
 * Each open handle is a conversation of its own. The protocol:
 *
 *   write LINE\n   starts `python3 LINE`; returns when it has started. A line
 *                  without its end is started by flush (printf x > .run).
 *                  A newline in quotes ends no line (run_line.h).
 *   write more     the script's standard input
 *   release        of a handle that wrote: end of the input
 *   read           of a handle that wrote: its own run's output, live, ending
 *                  when the run ends; of any other: the newest run's. Nothing
 *                  ever ran: nothing.
 *
 * .pycloud/runs/N/output, stdout and stderr are read by the same rules; their
 * nodes' tag is N.
 *
 * Where a run's beginning is not kept any more (run_log.h), a handle that comes
 * to that place reads a line that says so, and goes on with what is kept.
 */
#ifndef PYCLOUD_RUN_FILE_H
#define PYCLOUD_RUN_FILE_H

#include "node.h"

extern const struct node_ops run_ops; /* .run */
extern const struct node_ops run_output_ops;
extern const struct node_ops run_stdout_ops;
extern const struct node_ops run_stderr_ops;

#endif
