/* What libbpf makes of BTF: distills and relocates on request, for the tests that compare.
 *
 * Standard input is a sequence of requests, standard output one answer to each. All numbers are
 * 32-bit in the machine's byte order; a blob is its length and its bytes.
 *
 *   request: 'D', 'R' or 'V' as a number, the number of blobs, the blobs
 *     D: the bases from the first to the last, then the split BTF
 *     R: the distilled base, the split BTF over it, the target base
 *     V: BTF, bytes, and what to print: a type id, and 1 for compact, 2 without names, 4 with zeroes
 *   answer: 0, the number of blobs, the blobs
 *     D: the distilled base, the split BTF over it
 *     R: the relocated split BTF
 *     V: the value as text
 *   or: 1, one blob: what libbpf said
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "btf.h"
#include "libbpf.h"

#define MOST_BLOBS 8
#define MOST_TEXT (1 << 20)

static char said[1 << 16];

static int listen_to(enum libbpf_print_level level, const char *format, va_list arguments)
{
	size_t used = strlen(said);

	if (level == LIBBPF_WARN)
		vsnprintf(said + used, sizeof(said) - used, format, arguments);
	return 0;
}

static int get_number(uint32_t *number)
{
	return fread(number, sizeof(*number), 1, stdin) == 1;
}

static void put_number(uint32_t number)
{
	fwrite(&number, sizeof(number), 1, stdout);
}

static void put_blob(const void *data, uint32_t size)
{
	put_number(size);
	fwrite(data, 1, size, stdout);
}

static void put_btf(const struct btf *btf)
{
	uint32_t size;
	const void *data = btf__raw_data(btf, &size);

	put_blob(data, data ? size : 0);
}

static void put_failure(const char *step)
{
	size_t used = strlen(said);

	snprintf(said + used, sizeof(said) - used, "%s: %s", step, strerror(errno));
	put_number(1);
	put_blob(said, strlen(said));
}

static void distill(struct btf *split)
{
	struct btf *new_base, *new_split;

	if (btf__distill_base(split, &new_base, &new_split)) {
		put_failure("btf__distill_base");
		return;
	}
	put_number(0);
	put_number(2);
	put_btf(new_base);
	put_btf(new_split);
	btf__free(new_split);
	btf__free(new_base);
}

static void relocate(struct btf *split, const struct btf *target)
{
	if (btf__relocate(split, target)) {
		put_failure("btf__relocate");
		return;
	}
	put_number(0);
	put_number(1);
	put_btf(split);
}

static void add_text(void *text, const char *format, va_list arguments)
{
	size_t used = strlen(text);

	vsnprintf((char *)text + used, MOST_TEXT - used, format, arguments);
}

static void print_value(void **data, const uint32_t *sizes)
{
	const uint32_t *wanted = data[2];
	LIBBPF_OPTS(btf_dump_type_data_opts, opts, .compact = wanted[1] & 1,
		    .skip_names = wanted[1] >> 1 & 1, .emit_zeroes = wanted[1] >> 2 & 1);
	static char text[MOST_TEXT];
	struct btf *btf = btf__new(data[0], sizes[0]);
	struct btf_dump *dump = btf ? btf_dump__new(btf, add_text, text, NULL) : NULL;
	int done;

	text[0] = '\0';
	done = dump ? btf_dump__dump_type_data(dump, wanted[0], data[1], sizes[1], &opts) : -1;
	if (done < 0) {
		put_failure("btf_dump__dump_type_data");
	} else {
		put_number(0);
		put_number(1);
		put_blob(text, strlen(text));
	}
	btf_dump__free(dump);
	btf__free(btf);
}

static void answer(uint32_t request, void **data, const uint32_t *sizes, uint32_t count)
{
	struct btf *btfs[MOST_BLOBS] = {};
	uint32_t i;

	if (request == 'V') {
		print_value(data, sizes);
		return;
	}
	for (i = 0; i < count; i++) {
		/* The last blob of a relocation is a base of its own. */
		int alone = !i || (request == 'R' && i == count - 1);

		btfs[i] = btf__new_split(data[i], sizes[i], alone ? NULL : btfs[i - 1]);
		if (!btfs[i]) {
			put_failure("btf__new");
			goto out;
		}
	}
	if (request == 'D')
		distill(btfs[count - 1]);
	else
		relocate(btfs[1], btfs[2]);
out:
	for (i = count; i > 0; i--)
		btf__free(btfs[i - 1]);
}

int main(void)
{
	uint32_t request, count, i, sizes[MOST_BLOBS];
	void *data[MOST_BLOBS];

	libbpf_set_print(listen_to);
	while (get_number(&request) && get_number(&count)) {
		if (count > MOST_BLOBS || ((request == 'R' || request == 'V') && count != 3) || !count)
			return 2;
		for (i = 0; i < count; i++) {
			if (!get_number(&sizes[i]))
				return 2;
			data[i] = malloc(sizes[i] + 1);
			if (!data[i] || fread(data[i], 1, sizes[i], stdin) != sizes[i])
				return 2;
		}
		said[0] = '\0';
		answer(request, data, sizes, count);
		fflush(stdout);
		for (i = 0; i < count; i++)
			free(data[i]);
	}
	return 0;
}
