/* libbpf over all modules of a kernel, in one process: what whole_kernel.py compares with.
 *
 *   libbpf_loop VMLINUX MODULES DISTILLED RELOCATED
 *
 * VMLINUX is raw BTF. The others are packs: a 32-bit length in the machine's byte order and so many
 * bytes, again and again. MODULES is read; into DISTILLED go the base and the split of each module,
 * into RELOCATED each split over VMLINUX again, empty where libbpf refused. Files are read before
 * and written after what is measured. Prints one JSON object: seconds of processor time, and the peak
 * memory in KiB.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "btf.h"
#include "libbpf.h"

struct pack {
	char *data;
	size_t size, room;
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

static struct pack read_file(const char *path)
{
	struct pack pack = {};
	FILE *file = fopen(path, "rb");

	if (!file || fseek(file, 0, SEEK_END))
		die(path);
	pack.size = pack.room = ftell(file);
	rewind(file);
	pack.data = malloc(pack.size + 1);
	if (!pack.data || fread(pack.data, 1, pack.size, file) != pack.size)
		die(path);
	fclose(file);
	return pack;
}

static void write_file(const char *path, const struct pack *pack)
{
	FILE *file = fopen(path, "wb");

	if (!file || fwrite(pack->data, 1, pack->size, file) != pack->size || fclose(file))
		die(path);
}

static void append(struct pack *pack, const struct btf *btf)
{
	uint32_t size = 0;
	const void *data = btf ? btf__raw_data(btf, &size) : NULL;

	while (pack->size + sizeof(size) + size > pack->room) {
		pack->room = pack->room ? 2 * pack->room : 1 << 20;
		pack->data = realloc(pack->data, pack->room);
		if (!pack->data)
			die("realloc");
	}
	memcpy(pack->data + pack->size, &size, sizeof(size));
	if (size)
		memcpy(pack->data + pack->size + sizeof(size), data, size);
	pack->size += sizeof(size) + size;
}

/* The next blob of a pack; its length goes to *size. */
static const void *next(const struct pack *pack, size_t *at, uint32_t *size)
{
	const void *data = pack->data + *at + sizeof(*size);

	memcpy(size, pack->data + *at, sizeof(*size));
	*at += sizeof(*size) + *size;
	return data;
}

static struct btf *need(struct btf *btf, const char *what)
{
	if (!btf)
		die(what);
	return btf;
}

static double distill_all(struct btf *vmlinux, const struct pack *modules, struct pack *distilled)
{
	double begin = now();
	size_t at = 0;
	uint32_t size;

	while (at < modules->size) {
		const void *data = next(modules, &at, &size);
		struct btf *btf = need(btf__new_split(data, size, vmlinux), "btf__new_split");
		struct btf *base, *split;

		if (btf__distill_base(btf, &base, &split))
			die("btf__distill_base");
		append(distilled, base);
		append(distilled, split);
		btf__free(split);
		btf__free(base);
		btf__free(btf);
	}
	return now() - begin;
}

static double relocate_all(struct btf *vmlinux, const struct pack *distilled,
			   struct pack *relocated, int *refused)
{
	double begin = now();
	size_t at = 0;
	uint32_t size;

	while (at < distilled->size) {
		const void *data = next(distilled, &at, &size);
		struct btf *base = need(btf__new(data, size), "btf__new"), *split;

		data = next(distilled, &at, &size);
		split = need(btf__new_split(data, size, base), "btf__new_split");
		if (btf__relocate(split, vmlinux)) {
			++*refused;
			append(relocated, NULL);
		} else {
			append(relocated, split);
		}
		btf__free(split);
		btf__free(base);
	}
	return now() - begin;
}

static double read_all(struct btf *vmlinux, const struct pack *modules)
{
	double begin = now();
	size_t at = 0;
	uint32_t size;

	while (at < modules->size) {
		const void *data = next(modules, &at, &size);

		btf__free(need(btf__new_split(data, size, vmlinux), "btf__new_split"));
	}
	return now() - begin;
}

/* The most memory that this process ever held, in KiB; its ru_maxrss would be the parent's. */
static long peak_kib(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];
	long peak = 0;

	if (!file)
		die("/proc/self/status");
	while (fgets(line, sizeof(line), file) && sscanf(line, "VmHWM: %ld", &peak) != 1)
		;
	fclose(file);
	return peak;
}

int main(int count, char **arguments)
{
	struct pack blob, modules, distilled = {}, relocated = {};
	double open, read, distill, relocate;
	struct btf *vmlinux;
	int refused = 0;
	long peak;

	if (count != 5)
		return 2;
	libbpf_set_print(stay_silent);
	blob = read_file(arguments[1]);
	modules = read_file(arguments[2]);
	open = now();
	vmlinux = need(btf__new(blob.data, blob.size), "btf__new");
	open = now() - open;
	read = read_all(vmlinux, &modules);
	distill = distill_all(vmlinux, &modules, &distilled);
	relocate = relocate_all(vmlinux, &distilled, &relocated, &refused);
	peak = peak_kib();
	write_file(arguments[3], &distilled);
	write_file(arguments[4], &relocated);
	printf("{\"open\": %.6f, \"read\": %.6f, \"distill\": %.6f, \"relocate\": %.6f, "
	       "\"refused\": %d, \"peak_kib\": %ld}\n",
	       open, read, distill, relocate, refused, peak);
	return 0;
}
