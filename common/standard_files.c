/* standard_files.c - see standard_files.h. */
#include "config.h"

#include "standard_files.h"

#include <fcntl.h>
#include <unistd.h>

void standard_files_fill(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO && fcntl(fd, F_SETFD, 0) == 0);
	if (fd > STDERR_FILENO)
		(void)close(fd);
}
