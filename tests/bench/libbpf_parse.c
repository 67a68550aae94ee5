/* How long libbpf takes to read a file: what parse.py compares with.
 *
 *   libbpf_parse FILE TIMES
 *
 * Prints seconds of processor time, a line each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "btf.h"

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int count, char **words)
{
	int times = count == 3 ? atoi(words[2]) : 0;

	while (times-- > 0) {
		double begin = now();
		struct btf *btf = btf__parse(words[1], NULL);

		if (!btf)
			return 1;
		printf("%.6f\n", now() - begin);
		btf__free(btf);
	}
	return 0;
}
