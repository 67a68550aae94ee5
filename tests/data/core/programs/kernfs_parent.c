/* kernfs_node.parent became __parent in Linux 6.15: modelled on aquasecurity/tracee#3339. */
#include "core.h"
struct kernfs_node { struct kernfs_node *parent; const char *name; } CORE;
struct cgroup { struct kernfs_node *kn; int level; } CORE;
SEC("raw_tp/x") int kernfs_parent(void *ctx)
{
	struct cgroup *cgroup = ctx;
	struct kernfs_node *node, *parent;
	read_into(node, cgroup->kn);
	read_into(parent, node->parent);
	out[0] = (u64)parent;
	return 0;
}
