/* The kernel of ambiguous.c: no program, only types, several of one name. */
struct agree { int a, b; } v1;
struct agree___2 { int a, b; } v2;
struct differ { int a, b; } v3;
struct differ___2 { int a; int more; int b; } v4;
struct sized { int a; } v5;
struct sized___2 { int a, b; } v6;
enum valued { VALUED_ONE = 5, VALUED_TWO = 6 } v7;
enum valued___2 { VALUED_ONE___2 = 5, VALUED_TWO___2 = 7 } v8;
struct dropped { int only_first; int more; int common; } v9;
struct dropped___2 { int common; } v10;
struct bits { int low : 3; } v11;
struct bits___2 { int more : 1; int low : 3; } v12;
