/* Opens and loads a BPF object by libbpf, no program of it, and says what became of its BTF. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <bpf/libbpf.h>

static int refused;

static int print(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[4096];

	vsnprintf(line, sizeof(line), format, args);
	if (strstr(line, "Error loading .BTF into kernel"))
		refused = 1;
	return 0;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct bpf_program *program;
		struct bpf_object *object;

		refused = 0;
		libbpf_set_print(print);
		object = bpf_object__open_file(argv[i], NULL);
		if (!object) {
			puts("not opened");
			continue;
		}
		bpf_object__for_each_program(program, object)
			bpf_program__set_autoload(program, false);
		bpf_object__load(object);
		puts(refused ? "refused" : bpf_object__btf_fd(object) >= 0 ? "loaded" : "no BTF");
		bpf_object__close(object);
	}
	return 0;
}
