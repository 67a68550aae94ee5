/* Types of modules: nf_tables, xfs, kvm_intel or the kernel's own kvm. */
#include "core.h"
struct nft_table { u64 handle; u32 use; u16 family : 6, flags : 8, genmask : 2; char *name; } CORE;
struct xfs_inode { u64 i_ino; struct xfs_mount *i_mount; } CORE;
struct xfs_mount { u32 m_agno_log; struct xfs_sb { u32 sb_magicnum; } m_sb; } CORE;
struct kvm_vcpu { int vcpu_id; int cpu; } CORE;
struct vcpu_vmx { struct kvm_vcpu vcpu; u8 fail; } CORE;
enum nft_trans_phase { NFT_TRANS_PREPARE = 9 };
SEC("raw_tp/x") int module_types(void *ctx)
{
	struct nft_table *table = ctx; struct xfs_inode *inode = ctx; struct xfs_mount *mount = ctx;
	struct vcpu_vmx *vmx = ctx; struct kvm_vcpu *vcpu = ctx;
	out[0] = field(BYTE_OFFSET, table->handle); out[1] = field(LSHIFT_U64, table->family);
	out[2] = field(RSHIFT_U64, table->genmask); out[3] = type_size(struct nft_table);
	out[4] = field_exists(inode->i_ino); out[5] = field(BYTE_OFFSET, mount->m_sb.sb_magicnum);
	out[6] = field_exists(vmx->vcpu.vcpu_id); out[7] = field_exists(vmx->fail);
	out[8] = field_exists(vcpu->vcpu_id); out[9] = type_exists(struct vcpu_vmx);
	out[10] = type_id_kernel(struct nft_table);
	out[11] = value_exists(enum nft_trans_phase, NFT_TRANS_PREPARE);
	return 0;
}
