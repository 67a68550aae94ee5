/*
 * Print the addresses of symbols of the running kernel, and copy what is there from /proc/kcore.
 *
 *   kcore_read SYMBOL BYTES FILE [SYMBOL BYTES FILE ...]
 */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned long long address_of(const char *wanted)
{
	unsigned long long address, found = 0;
	char name[512], kind;
	FILE *symbols = fopen("/proc/kallsyms", "r");

	while (symbols && !found && fscanf(symbols, "%llx %c %511s%*[^\n]", &address, &kind, name) == 3)
		if (!strcmp(name, wanted))
			found = address;
	return found;
}

static int copy(int kcore, unsigned long long address, size_t size, const char *path)
{
	char *data = malloc(size);
	Elf64_Ehdr header;
	Elf64_Phdr part;
	FILE *out;
	int i;

	if (!data || pread(kcore, &header, sizeof(header), 0) != sizeof(header))
		return 1;
	for (i = 0; i < header.e_phnum; i++) {
		off_t at = header.e_phoff + (off_t)i * sizeof(part);

		if (pread(kcore, &part, sizeof(part), at) != sizeof(part))
			return 2;
		if (part.p_type != PT_LOAD || address < part.p_vaddr ||
		    address + size > part.p_vaddr + part.p_memsz)
			continue;
		at = part.p_offset + (address - part.p_vaddr);
		if (pread(kcore, data, size, at) != (ssize_t)size)
			return 3;
		out = fopen(path, "wb");
		return !out || fwrite(data, 1, size, out) != size || fclose(out);
	}
	return 4;
}

int main(int count, char **words)
{
	int kcore = open("/proc/kcore", O_RDONLY), i, failed;

	for (i = 1; i + 2 < count; i += 3) {
		unsigned long long address = address_of(words[i]);

		failed = copy(kcore, address, strtoul(words[i + 1], NULL, 0), words[i + 2]);
		if (failed) {
			fprintf(stderr, "%s at %#llx: failed in step %d\n", words[i], address, failed);
			return 1;
		}
		printf("%s %#llx\n", words[i], address);
	}
	return 0;
}
