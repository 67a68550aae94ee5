/* libbpf's merge and dedup in one process: what dedup.py compares with.
 *
 *   libbpf_dedup BASE PACK MERGED DEDUPED
 *
 * BASE is raw BTF, or "-" for none. PACK is BTF over it, again and again: a 32-bit length in the
 * machine's byte order and so many bytes. All of them joined go to MERGED, deduplicated to DEDUPED.
 * Files are read before and written after what is measured. Prints one JSON object: numbers of
 * types, seconds of processor time, and the peak memory in KiB.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "btf.h"
#include "libbpf.h"

struct file {
	char *data;
	size_t size;
};

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static int stay_silent(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return 0;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static struct file read_file(const char *path)
{
	struct file found = {};
	FILE *file = fopen(path, "rb");

	if (!file || fseek(file, 0, SEEK_END))
		die(path);
	found.size = ftell(file);
	rewind(file);
	found.data = malloc(found.size + 1);
	if (!found.data || fread(found.data, 1, found.size, file) != found.size)
		die(path);
	fclose(file);
	return found;
}

static void write_file(const char *path, const struct btf *btf)
{
	uint32_t size;
	const void *data = btf__raw_data(btf, &size);
	FILE *file = fopen(path, "wb");

	if (!data || !file || fwrite(data, 1, size, file) != size || fclose(file))
		die(path);
}

static struct btf *need(struct btf *btf, const char *what)
{
	if (!btf)
		die(what);
	return btf;
}

static void move(uint32_t *id, uint32_t first, uint32_t shift)
{
	if (*id >= first)
		*id += shift;
}

static void move_references(struct btf_type *type, uint32_t first, uint32_t shift)
{
	uint32_t vlen = btf_vlen(type);

	switch (btf_kind(type)) {
	case BTF_KIND_ARRAY:
		move(&btf_array(type)->type, first, shift);
		move(&btf_array(type)->index_type, first, shift);
		break;
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		for (uint32_t i = 0; i < vlen; i++)
			move(&btf_members(type)[i].type, first, shift);
		break;
	case BTF_KIND_FUNC_PROTO:
		move(&type->type, first, shift);
		for (uint32_t i = 0; i < vlen; i++)
			move(&btf_params(type)[i].type, first, shift);
		break;
	case BTF_KIND_DATASEC:
		for (uint32_t i = 0; i < vlen; i++)
			move(&btf_var_secinfos(type)[i].type, first, shift);
		break;
	case BTF_KIND_INT:
	case BTF_KIND_FLOAT:
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
	case BTF_KIND_FWD:
		break;
	default:
		move(&type->type, first, shift);
	}
}

/* What btf__add_btf of newer libbpf does for a split over the same base. */
static void add(struct btf *all, const struct btf *one, uint32_t first)
{
	uint32_t shift = btf__type_cnt(all) - first, end = btf__type_cnt(one);

	for (uint32_t id = first; id < end; id++) {
		int added = btf__add_type(all, one, btf__type_by_id(one, id));

		if (added < 0)
			die("btf__add_type");
		move_references((struct btf_type *)btf__type_by_id(all, added), first, shift);
	}
}

int main(int argc, char **argv)
{
	struct btf *base = NULL, *all;
	double begin, merged, deduped;
	struct rusage usage;
	struct file pack;
	size_t at = 0;
	int before, ret;

	if (argc != 5)
		return 2;
	libbpf_set_print(stay_silent);
	if (strcmp(argv[1], "-"))
		base = need(btf__parse_raw(argv[1]), argv[1]);
	pack = read_file(argv[2]);

	begin = now();
	all = need(base ? btf__new_empty_split(base) : btf__new_empty(), "btf__new_empty");
	while (at < pack.size) {
		struct btf *one;
		uint32_t size;

		memcpy(&size, pack.data + at, sizeof(size));
		one = need(base ? btf__new_split(pack.data + at + sizeof(size), size, base)
				: btf__new(pack.data + at + sizeof(size), size), "btf__new");
		add(all, one, base ? btf__type_cnt(base) : 1);
		btf__free(one);
		at += sizeof(size) + size;
	}
	merged = now() - begin;
	write_file(argv[3], all);

	before = btf__type_cnt(all);
	begin = now();
	ret = btf__dedup(all, NULL);
	deduped = now() - begin;
	if (!ret)
		write_file(argv[4], all);
	getrusage(RUSAGE_SELF, &usage);
	printf("{\"code\": %d, \"types\": %d, \"left\": %u, \"merge\": %.3f, \"dedup\": %.3f, \"kib\": %ld}\n",
	       ret, before, btf__type_cnt(all), merged, deduped, usage.ru_maxrss);
	return 0;
}
