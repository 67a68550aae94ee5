/* What libbpf makes of an object's CO-RE relocations, without loading it: a JSON line each.
 *
 *   core_oracle OBJECT VMLINUX [MODULE...]
 *
 * Does what bpf_object__relocate_core and bpf_core_find_cands do, with libbpf's own functions for
 * the search, the calculation and the patch. Modules are split BTF over VMLINUX.
 */
#include <errno.h>
#include <gelf.h>
#include <fcntl.h>
#include <libelf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libbpf.h"
#include "libbpf_internal.h"
#include "relo_core.h"

#define MOST_TYPES (1 << 16)

static struct bpf_core_cand_list *cache[MOST_TYPES];
static struct btf *kernels[64];
static int kernel_count;

static int silent(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return 0;
}

static void die(const char *what)
{
	fprintf(stderr, "core_oracle: %s\n", what);
	exit(2);
}

static Elf_Data *section_of(Elf *elf, const char *name)
{
	Elf_Scn *scn = NULL;
	size_t names;

	elf_getshdrstrndx(elf, &names);
	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;

		gelf_getshdr(scn, &shdr);
		if (!strcmp(elf_strptr(elf, names, shdr.sh_name), name))
			return elf_getdata(scn, NULL);
	}
	return NULL;
}

static struct bpf_core_cand_list *candidates(const struct btf *local, __u32 id)
{
	const struct btf_type *type = btf__type_by_id(local, id);
	const char *name = btf__name_by_offset(local, type->name_off);
	struct bpf_core_cand wanted = { .btf = local, .id = id };
	struct bpf_core_cand_list *found;
	size_t length;
	int i, start;

	if (!name || !*name || id >= MOST_TYPES)
		return NULL;
	if (cache[id])
		return cache[id];
	length = bpf_core_essential_name_len(name);
	found = cache[id] = calloc(1, sizeof(*found));
	for (i = 0; i < kernel_count; i++) {
		/* Modules are searched only when the kernel itself has none. */
		if (i == 1 && found->len)
			break;
		start = i ? btf__type_cnt(kernels[0]) : 1;
		bpf_core_add_cands(&wanted, length, kernels[i], "", start, found);
	}
	return found;
}

static int kernel_number(const struct btf *btf)
{
	for (int i = 0; i < kernel_count; i++)
		if (kernels[i] == btf)
			return i;
	return -1;
}

static void relocate(const struct btf *local, const struct bpf_core_relo *relo, int index,
		     const char *section, struct bpf_insn *insns, size_t count)
{
	static struct bpf_core_spec specs[3];
	struct bpf_core_relo_res res = {};
	struct bpf_core_cand_list *cands = NULL, none = {};
	struct bpf_core_cand before = {};
	int rc, patch_rc = 0, at = relo->insn_off / 8, listed = 0;

	memset(specs, 0, sizeof(specs));
	if (relo->kind != BPF_CORE_TYPE_ID_LOCAL) {
		cands = candidates(local, relo->type_id);
		if (cands)
			listed = cands->len;
	}
	if (relo->kind != BPF_CORE_TYPE_ID_LOCAL && !cands)
		rc = -EINVAL;
	else
		rc = bpf_core_calc_relo_insn("x", relo, index, local, cands ?: &none, specs, &res);
	if (!rc && specs[2].btf) {
		before.btf = specs[2].btf;
		before.id = specs[2].root_type_id;
	}
	if (!rc && at < (int)count)
		patch_rc = bpf_core_patch_insn("x", &insns[at], at, relo, index, &res);
	printf("{\"section\":\"%s\",\"index\":%d,\"kind\":%d,\"rc\":%d,\"cands\":%d,", section, index,
	       relo->kind, rc, listed);
	printf("\"orig\":%llu,\"new\":%llu,\"poison\":%d,\"validate\":%d,\"memsz_fail\":%d,",
	       rc ? 0 : (unsigned long long)res.orig_val, rc ? 0 : (unsigned long long)res.new_val,
	       !rc && res.poison, !rc && res.validate, !rc && res.fail_memsz_adjust);
	printf("\"orig_sz\":%u,\"new_sz\":%u,", rc ? 0 : res.orig_sz, rc ? 0 : res.new_sz);
	printf("\"root\":%u,\"kernel\":%d,\"bit_offset\":%u,\"raw\":[", before.id,
	       before.btf ? kernel_number(before.btf) : -1, before.btf ? specs[2].bit_offset : 0);
	for (int i = 0; before.btf && i < specs[2].raw_len; i++)
		printf("%s%d", i ? "," : "", specs[2].raw_spec[i]);
	printf("],\"patch_rc\":%d,\"code\":%d,\"off\":%d,\"imm\":%d}\n", patch_rc, insns[at].code,
	       insns[at].off, insns[at].imm);
}

int main(int argc, char **argv)
{
	const struct btf_ext_info_sec *sec;
	const struct bpf_core_relo *relo;
	struct btf_ext *ext = NULL;
	struct btf *local;
	Elf *elf;
	int i;

	if (argc < 3)
		die("usage: core_oracle OBJECT VMLINUX [MODULE...]");
	libbpf_set_print(silent);
	elf_version(EV_CURRENT);
	elf = elf_begin(open(argv[1], O_RDONLY), ELF_C_READ, NULL);
	local = btf__parse_elf(argv[1], &ext);
	if (!elf || !local || !ext)
		die("can't read the object");
	btf__set_pointer_size(local, 8);
	kernels[kernel_count++] = btf__parse(argv[2], NULL);
	for (i = 3; i < argc && kernel_count < 64; i++)
		kernels[kernel_count++] = btf__parse_split(argv[i], kernels[0]);
	for (i = 0; i < kernel_count; i++)
		if (!kernels[i])
			die(argv[2 + i]);
	for_each_btf_ext_sec(&ext->core_relo_info, sec) {
		const char *name = btf__name_by_offset(local, sec->sec_name_off);
		Elf_Data *data = section_of(elf, name);
		struct bpf_insn *insns = malloc(data->d_size);

		memcpy(insns, data->d_buf, data->d_size);
		for_each_btf_ext_rec(&ext->core_relo_info, sec, i, relo)
			relocate(local, relo, i, name, insns, data->d_size / 8);
		free(insns);
	}
	return 0;
}
