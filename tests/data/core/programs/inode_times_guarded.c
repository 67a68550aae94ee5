/* The same with a check, and the new name where the old one is gone. */
#include "core.h"
struct timespec64 { s64 tv_sec; long tv_nsec; } CORE;
struct inode { struct timespec64 i_atime; } CORE;
struct inode___611 { s64 i_atime_sec; } CORE;
SEC("fentry/vfs_read") int inode_times_guarded(u64 *ctx)
{
	struct inode *inode = (void *)ctx[0];
	struct inode___611 *new = (void *)ctx[0];
	if (field_exists(inode->i_atime.tv_sec))
		out[0] = inode->i_atime.tv_sec;
	else
		out[0] = new->i_atime_sec;
	return 0;
}
