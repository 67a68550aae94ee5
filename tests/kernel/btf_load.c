/*
 * Ask the running kernel about many BTF blobs.
 *
 *     btf_load BLOBS VERDICTS
 *
 * BLOBS holds for each blob its length and its bytes; VERDICTS gets for each its errno (0: loaded),
 * the length of a message and the message: the last line of the verifier's log. Numbers are u32 in
 * the machine's byte order.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOG_SIZE (16u << 20)

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* 0 or the errno. The log, when wanted, must hold everything: a kernel that runs out of it gives
 * ENOSPC in place of its verdict. */
static uint32_t load(const void *blob, uint32_t size, char *log)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.btf = (uintptr_t)blob;
	attr.btf_size = size;
	if (log) {
		attr.btf_log_buf = (uintptr_t)log;
		attr.btf_log_size = LOG_SIZE;
		attr.btf_log_level = 1;
	}
	fd = syscall(SYS_bpf, BPF_BTF_LOAD, &attr, sizeof(attr));
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static const char *last_line(char *log)
{
	size_t end = strlen(log);
	char *newline;

	while (end && log[end - 1] == '\n')
		log[--end] = 0;
	newline = strrchr(log, '\n');
	return newline ? newline + 1 : log;
}

static void put(FILE *out, const void *data, size_t size)
{
	if (size && fwrite(data, size, 1, out) != 1)
		fail("writing verdicts");
}

int main(int argc, char **argv)
{
	const char *blobs, *message;
	char *log = malloc(LOG_SIZE);
	uint32_t verdict[2], size;
	struct stat st;
	size_t at = 0;
	FILE *out;
	int in;

	if (argc != 3 || !log) {
		fprintf(stderr, "usage: btf_load BLOBS VERDICTS\n");
		return 2;
	}
	in = open(argv[1], O_RDONLY);
	if (in < 0 || fstat(in, &st))
		fail(argv[1]);
	blobs = st.st_size ? mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, in, 0) : "";
	if (blobs == MAP_FAILED)
		fail(argv[1]);
	out = fopen(argv[2], "wb");
	if (!out)
		fail(argv[2]);
	while (at < (size_t)st.st_size) {
		if (st.st_size - at < sizeof(size))
			break;
		memcpy(&size, blobs + at, sizeof(size));
		at += sizeof(size);
		if (st.st_size - at < size)
			break;
		message = "";
		verdict[0] = load(blobs + at, size, NULL);
		if (verdict[0]) {
			log[0] = 0;
			load(blobs + at, size, log);
			message = last_line(log);
		}
		verdict[1] = strlen(message);
		put(out, verdict, sizeof(verdict));
		put(out, message, verdict[1]);
		at += size;
	}
	if (fclose(out))
		fail(argv[2]);
	if (at != (size_t)st.st_size) {
		fprintf(stderr, "%s is cut off after byte %zu\n", argv[1], at);
		return 1;
	}
	return 0;
}
