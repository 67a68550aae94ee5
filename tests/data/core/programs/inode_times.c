/* i_atime.tv_sec was a struct timespec64 until Linux 6.6, and i_atime_sec since 6.11:
 * the failure of tarsal-oss/kflowd#4. */
#include "core.h"
struct timespec64 { s64 tv_sec; long tv_nsec; } CORE;
struct inode { struct timespec64 i_atime; u64 i_ino; } CORE;
SEC("fentry/vfs_read") int inode_times(u64 *ctx)
{
	struct inode *inode = (void *)ctx[0];
	out[0] = inode->i_atime.tv_sec;
	out[1] = inode->i_ino;
	return 0;
}
