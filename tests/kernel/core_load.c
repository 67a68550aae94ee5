/* Load a BPF object as any loader does, and print all that libbpf says.
 *
 *   core_load OBJECT [BTF]     BTF stands for the kernel's (btf_custom_path)
 */
#include <stdarg.h>
#include <stdio.h>

#include "libbpf.h"

static int say(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return vprintf(format, arguments);
}

int main(int argc, char **argv)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = argc > 2 ? argv[2] : NULL);
	struct bpf_object *object;

	libbpf_set_print(say);
	object = bpf_object__open_file(argv[1], &opts);
	if (!object)
		return 2;
	printf("LOADED %d\n", bpf_object__load(object));
	return 0;
}
