"""BTF whose C is tricky, with that C: what bpftool 7.5 prints between its preamble and its end."""

from __future__ import annotations

from attrs import frozen

from btfschema import Btf, Builder
from btfschema.codec.header import ByteOrder
from btfschema.views import (
    Array,
    Const,
    Enum,
    Enum64,
    Enumerator,
    Float,
    Func,
    FuncProto,
    Fwd,
    Int,
    IntEncoding,
    Member,
    Param,
    Ptr,
    Restrict,
    Struct,
    Typedef,
    TypeTag,
    TypeView,
    Union,
    Volatile,
)

__all__ = ["CASES", "Case", "build", "types_only"]

# Every case starts with these: ids 1 to 5.
COMMON = (
    Int("int", 4, IntEncoding.SIGNED),
    Int("char", 1, IntEncoding.SIGNED | IntEncoding.CHAR),
    Int("long int", 8, IntEncoding.SIGNED),
    Ptr(0),
    Array(1, 1, 3),
)
INT, CHAR, LONG, VOID_PTR, THREE = 1, 2, 3, 4, 5


@frozen
class Case:
    """Types from id 6 on, and what they are in C, without the blank lines between."""

    types: tuple[TypeView, ...]
    expected: str


def build(case: Case, byteorder: ByteOrder = "little") -> Btf:
    """The case as a container."""
    builder = Builder(byteorder=byteorder)
    for view in (*COMMON, *case.types):
        builder.add(view)
    return builder.build()


def types_only(text: str) -> str:
    """A C dump without preprocessor lines, comments and blank lines."""
    kept = [line for line in text.splitlines() if line and not line.startswith(("#", "/*"))]
    return "".join(line + "\n" for line in kept)


def enum(name: str, size: int = 4, **values: int) -> Enum:
    return Enum(name, size, [Enumerator(*pair) for pair in values.items()])


def enum64(name: str, **values: int) -> Enum64:
    return Enum64(name, 8, [Enumerator(*pair) for pair in values.items()])


CASES = {
    "names that collide": Case(
        (
            Struct("node", 4, [Member("a", INT)]),
            Union("node", 8, [Member("b", LONG)]),
            enum("node", one=1),
            Typedef("node", 6),
            Typedef("one", INT),
            enum("", one=3, two=4),
            Struct("user", 24, [Member("x", 6), Member("y", 7, 64), Member("z", 10, 128)]),
        ),
        """\
struct node {
	int a;
};
union node___2 {
	long int b;
};
enum node___3 {
	one = 1,
};
typedef struct node node;
typedef int one___2;
enum {
	one___3 = 3,
	two = 4,
};
struct user {
	struct node x;
	union node___2 y;
	one___2 z;
};
""",
    ),
    "anonymous enums": Case(
        (
            enum("", alone=1),
            enum("", inside=2),
            enum("", given=-1),
            Typedef("named_by_typedef", 8),
            Struct("s", 8, [Member("state", 7), Member("other", 9, 32)]),
        ),
        """\
enum {
	alone = 1,
};
typedef enum {
	given = -1,
} named_by_typedef;
struct s {
	enum {
		inside = 2,
	} state;
	named_by_typedef other;
};
""",
    ),
    "empty and flexible": Case(
        (
            Struct("empty", 0),
            Union("nothing", 0),
            Array(INT, INT, 0),
            Struct("flexible", 4, [Member("n", INT), Member("items", 8, 32)]),
            Struct("hollow", 16),
            Struct("holder", 4, [Member("e", 6), Member("n", INT)]),
        ),
        """\
struct empty {};
union nothing {};
struct flexible {
	int n;
	int items[0];
};
struct hollow {
	long: 64;
	long: 64;
};
struct holder {
	struct empty e;
	int n;
};
""",
    ),
    "128 bits": Case(
        (
            Int("__int128 unsigned", 16),
            Struct("wide", 32, [Member("low", LONG), Member("high", 6, 128)]),
            Float("long double", 16),
            Struct("real", 16, [Member("r", 8)]),
        ),
        """\
struct wide {
	long int low;
	long: 64;
	__int128 unsigned high;
};
struct real {
	long double r;
};
""",
    ),
    "packed": Case(
        (
            Struct("by_offset", 5, [Member("c", CHAR), Member("i", INT, 8)]),
            Struct("by_size", 6, [Member("i", INT), Member("c", CHAR, 32)]),
            Struct("natural", 8, [Member("i", INT), Member("c", CHAR, 32)]),
            Struct("of_packed", 9, [Member("p", 6), Member("i", INT, 40)]),
            Union("loose", 5, [Member("i", INT), Member("c", CHAR)]),
        ),
        """\
struct by_offset {
	char c;
	int i;
} __attribute__((packed));
struct by_size {
	int i;
	char c;
	short: 0;
} __attribute__((packed));
struct natural {
	int i;
	char c;
};
struct of_packed {
	struct by_offset p;
	int i;
} __attribute__((packed));
union loose {
	int i;
	char c;
};
""",
    ),
    "padding": Case(
        (
            Struct("spread", 64, [Member("i", INT), Member("l", LONG, 256)]),
            Struct("tail", 24, [Member("i", INT)]),
            Struct("aligned", 16, [Member("c", CHAR), Member("d", CHAR, 64)]),
            Struct(
                "short_gap", 8, [Member("c", CHAR), Member("d", CHAR, 24), Member("i", INT, 32)]
            ),
        ),
        """\
struct spread {
	int i;
	long: 64;
	long: 64;
	long: 64;
	long int l;
	long: 64;
	long: 64;
	long: 64;
};
struct tail {
	int i;
	long: 64;
	long: 64;
};
struct aligned {
	char c;
	long: 0;
	char d;
	long: 0;
};
struct short_gap {
	char c;
	short: 0;
	char: 8;
	char d;
	int i;
};
""",
    ),
    "bit fields": Case(
        (
            Struct(
                "flags",
                16,
                [
                    Member("a", INT, 0, 3),
                    Member("b", INT, 3, 5),
                    Member("gap", INT, 12, 4),
                    Member("next_unit", INT, 32, 1),
                    Member("whole", INT, 64),
                    Member("last", LONG, 100, 20),
                ],
            ),
            Struct("one", 4, [Member("x", INT, 31, 1)]),
            Union("either", 4, [Member("x", INT, 0, 7), Member("y", INT)]),
        ),
        """\
struct flags {
	int a: 3;
	int b: 5;
	char: 4;
	int gap: 4;
	int: 16;
	int next_unit: 1;
	int whole;
	char: 4;
	long int last: 20;
};
struct one {
	int: 31;
	int x: 1;
};
union either {
	int x: 7;
	int y;
};
""",
    ),
    "functions": Case(
        (
            FuncProto(INT, [Param("a", INT), Param("", VOID_PTR)]),
            Ptr(6),
            Array(7, INT, 2),
            FuncProto(0, [Param("fmt", CHAR), Param("", 0)]),
            Typedef("variadic_t", 9),
            FuncProto(7, [Param("", 0)]),
            Ptr(11),
            FuncProto(0),
            Ptr(13),
            Const(14),
            Struct(
                "ops",
                40,
                [
                    Member("one", 7),
                    Member("several", 8, 64),
                    Member("returning", 12, 192),
                    Member("fixed", 15, 256),
                ],
            ),
            Volatile(6),
            Ptr(17),
            Typedef("noreturn_t", 18),
        ),
        """\
typedef void variadic_t(char fmt, ...);
struct ops {
	int (*one)(int a, void *);
	int (*several[2])(int a, void *);
	int (* (*returning)(void))(int a, void *);
	void (* const fixed)(void);
};
typedef int (*noreturn_t)(int a, void *);
""",
    ),
    "arrays and qualifiers": Case(
        (
            Array(THREE, INT, 2),
            Const(CHAR),
            Ptr(7),
            Const(8),
            Array(9, INT, 4),
            Ptr(10),
            Volatile(INT),
            Restrict(VOID_PTR),
            Const(THREE),
            Ptr(THREE),
            Array(15, INT, 5),
            Struct(
                "s",
                144,
                [
                    Member("grid", 6),
                    Member("text", 8, 192),
                    Member("texts", 10, 256),
                    Member("to_texts", 11, 512),
                    Member("quick", 12, 576),
                    Member("only", 13, 640),
                    Member("constants", 14, 704),
                    Member("rows", 16, 832),
                ],
            ),
            FuncProto(0, [Param("", 11), Param("", 15), Param("", 6)]),
            Typedef("unnamed_t", 18),
        ),
        """\
struct s {
	int grid[2][3];
	const char *text;
	const char * const texts[4];
	const char * const (*to_texts)[4];
	volatile int quick;
	void * restrict only;
	int constants[3];
	int (*rows[5])[3];
};
typedef void unnamed_t(const char * const(*)[4], int(*)[3], int[2][3]);
""",
    ),
    "enums of every size": Case(
        (
            enum("byte", 1, A=1),
            enum("half", 2, B=2),
            enum("signed_word", 4, C=-1, D=5),
            enum("unsigned_word", 4, E=0xFFFFFFFF),
            enum("long_by_mode", 8, F=1),
            enum64("big", G=1 << 40, H=(1 << 64) - 1),
            enum64("small", I=1),
            enum64("negative", J=-(1 << 63), K=1),
            enum("declared"),
            Ptr(14),
            Struct("s", 8, [Member("d", 15)]),
        ),
        """\
enum byte {
	A = 1,
} __attribute__((mode(byte)));
enum half {
	B = 2,
};
enum signed_word {
	C = -1,
	D = 5,
};
enum unsigned_word {
	E = 4294967295,
};
enum long_by_mode {
	F = 1,
} __attribute__((mode(word)));
enum big {
	G = 1099511627776ULL,
	H = 18446744073709551615ULL,
};
enum small {
	I = 1ULL,
} __attribute__((mode(word)));
enum negative {
	J = -9223372036854775808LL,
	K = 1LL,
};
enum declared;
struct s {
	enum declared *d;
};
""",
    ),
    "forward declarations": Case(
        (
            Fwd("later"),
            Fwd("either", is_union=True),
            Ptr(6),
            Ptr(7),
            Ptr(12),
            Ptr(13),
            Struct(
                "first",
                32,
                [Member("l", 8), Member("e", 9, 64), Member("s", 10, 128), Member("t", 11, 192)],
            ),
            Struct("second", 32, [Member("f", 12)]),
        ),
        """\
struct later;
union either;
struct second;
struct first {
	struct later *l;
	union either *e;
	struct first *s;
	struct second *t;
};
struct second {
	struct first f;
};
""",
    ),
    "typedefs in circles": Case(
        (
            Typedef("list_t", 8),
            Ptr(6),
            Struct("list", 8, [Member("next", 7)]),
            FuncProto(INT, [Param("", 12)]),
            Ptr(9),
            Typedef("callback_t", 10),
            Ptr(13),
            Struct("caller", 16, [Member("call", 11), Member("list", 6, 64)]),
        ),
        """\
struct list;
typedef struct list list_t;
struct list {
	list_t *next;
};
struct caller;
typedef int (*callback_t)(struct caller *);
struct caller {
	callback_t call;
	list_t list;
};
""",
    ),
    "anonymous in place": Case(
        (
            Struct("part", 4, [Member("i", INT)]),
            Struct("", 8, [Member("p", 6), Member("q", INT, 32)]),
            Ptr(7),
            Union("", 8, [Member("n", INT), Member("s", 7)]),
            Array(9, INT, 2),
            Struct("whole", 32, [Member("", 9), Member("far", 8, 64), Member("many", 10, 128)]),
            Struct("", 4, [Member("only", INT)]),
            Typedef("alias_t", 12),
        ),
        """\
struct part {
	int i;
};
struct whole {
	union {
		int n;
		struct {
			struct part p;
			int q;
		} s;
	};
	struct {
		struct part p;
		int q;
	} *far;
	union {
		int n;
		struct {
			struct part p;
			int q;
		} s;
	} many[2];
};
typedef struct {
	int only;
} alias_t;
""",
    ),
    "compilers' own types": Case(
        (
            Struct("__va_list_tag", 24),
            Array(6, INT, 1),
            Typedef("__builtin_va_list", 7),
            Typedef("__gnuc_va_list", 8),
            Typedef("va_list", 9),
            Typedef("__gnuc_va_list", 0),
            Int("__Poly8_t", 1),
            Struct("simd", 1, [Member("p", 12)]),
        ),
        """\
struct __va_list_tag {
	long: 64;
	long: 64;
	long: 64;
};
typedef __builtin_va_list __gnuc_va_list;
typedef __gnuc_va_list va_list;
typedef void __gnuc_va_list___2;
typedef unsigned char __Poly8_t;
struct simd {
	__Poly8_t p;
};
""",
    ),
    "type tags": Case(
        (
            TypeTag("user", INT),
            Ptr(6),
            Const(INT),
            TypeTag("rcu", 8),
            Ptr(9),
            Struct("s", 16, [Member("a", 7), Member("b", 10, 64)]),
        ),
        """\
struct s {
	int __attribute__((btf_type_tag("user"))) *a;
	const int __attribute__((btf_type_tag("rcu"))) *b;
};
""",
    ),
    "functions alone": Case(
        (
            FuncProto(0, [Param("a", INT)]),
            Func("f", 6),
            Ptr(6),
            FuncProto(0, [Param("p", 10)]),
            Ptr(11),
            Fwd("seen_here"),
        ),
        """\
struct seen_here;
""",
    ),
}
