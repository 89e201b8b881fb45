/*
 * event_file.h - .pycloud/events: changes of others, a line each, as they are
 * told (events.h). A stream: a read waits until there is something, as of a
 * pipe, and poll(2) says when that is.
 */
#ifndef PYCLOUD_EVENT_FILE_H
#define PYCLOUD_EVENT_FILE_H

#include "node.h"

extern const struct node_ops event_file_ops;

#endif
