/* A BPF program with functions, source lines and every sort of CO-RE access.
 *
 * prog-le.* and prog-be.* beside this file are its sections as Debian's clang 14 writes them:
 *   clang-14 -target bpfel -O2 -g -fdebug-compilation-dir=. -c prog.c -o prog.o
 *   llvm-objcopy-14 --dump-section .BTF=prog-le.btf --dump-section .BTF.ext=prog-le.btf.ext prog.o
 * and the same with bpfeb for the other byte order.
 */
#define __section(name) __attribute__((section(name), used))

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct list_head {
	struct list_head *next, *prev;
};
union scope {
	int number;
	void *pointer;
};
struct task {
	int pid;
	unsigned int flags : 3;
	unsigned int state : 5;
	struct list_head tasks;
	union scope scope;
	char comm[16];
};
#pragma clang attribute pop

enum state { RUNNING, STOPPED = 7 };

struct context {
	unsigned int data, data_end;
};

static __attribute__((noinline)) int first_byte(struct task *task)
{
	return task->comm[3] + task->scope.number;
}

__section("xdp") int xdp_prog(struct context *ctx)
{
	return ctx->data < ctx->data_end ? 2 : 1;
}

__section("raw_tp/sched") int on_switch(struct task *task)
{
	struct task *next = (struct task *)task->tasks.next;

	if (__builtin_preserve_field_info(task->flags, 2 /* field exists */))
		return first_byte(next) + task->pid;
	return __builtin_preserve_type_info(*(struct task *)0, 1 /* type size */) +
	       __builtin_preserve_enum_value(*(enum state *)STOPPED, 1 /* value */);
}

char LICENSE[] __section("license") = "GPL";
