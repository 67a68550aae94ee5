"""Our own programs with CO-RE relocations: libbpf's answers, the reasons, and minimal BTF."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from click.testing import CliRunner
from co_re_goldens import DATA, expected, kernel, own_object
from core_oracle import PROGRAMS, told
from file_makers import make_elf

from btfschema import Builder, dumps, load, loads, views
from btfschema.cli import cli
from btfschema.co_re import (
    BpfObject,
    Finding,
    Kernel,
    Marks,
    Resolver,
    check_object,
    mark_named,
    mark_object,
    minimal,
    read_object,
)
from btfschema.co_re.insns import Insn, decode
from btfschema.co_re.names import essential_name
from btfschema.co_re.reach import Code, reached
from btfschema.codec.header import ByteOrder
from btfschema.errors import (
    CoreError,
    NoMemberError,
    RequirementError,
    SpecError,
    UnknownNameError,
)
from btfschema.model.objectfile import ObjectFile, Symbol
from btfschema.model.views.ext import CoreRelo, CoreReloKind
from btfschema_transforms.minimise import minimise

EXPECTED = expected()
INT = views.Int("int", 4, views.IntEncoding.SIGNED)
OBJECTS = DATA / "core" / "objects"
NAMES = sorted(path.stem for path in PROGRAMS.glob("*.c") if not path.stem.endswith("_kernel"))


def findings(program: str, target: str) -> list[Finding]:
    return list(check_object(own_object(program), kernel(target)).findings)


def reasons(program: str, target: str = "generic") -> list[tuple[int, str, tuple[str, ...], Any]]:
    """Of each relocation that fails: its number, cause, what is there instead, guarded."""
    return [
        (one.relocation.index, one.reason.cause, one.reason.instead, one.guarded)
        for one in findings(program, target)
        if one.reason is not None
    ]


def test_there_are_programs_enough() -> None:
    assert len(NAMES) >= 25
    assert {row["program"] for row in EXPECTED} == set(NAMES)
    kinds = {relo["kind"] for row in EXPECTED for relo in row["relos"]}
    assert kinds == set(range(13))


@pytest.mark.parametrize("row", EXPECTED, ids=lambda row: f"{row['program']}-{row['kernel']}")
def test_each_relocation_is_what_libbpf_makes_of_it(row: dict[str, Any]) -> None:
    assert told(own_object(row["program"]), kernel(row["kernel"])) == row["relos"]


@pytest.mark.parametrize(
    ("name", "essence"),
    [
        ("task_struct", "task_struct"),
        ("task_struct___old", "task_struct"),
        ("a___b___c", "a___b"),
        ("a____b", "a____b"),
        ("___a", "___a"),
        ("a___", "a___"),
        ("_a___b", "_a"),
        ("", ""),
    ],
)
def test_flavours(name: str, essence: str) -> None:
    assert essential_name(name) == essence


# What the kernels have instead was looked up in their members and types.
@pytest.mark.parametrize(
    ("program", "target", "found"),
    [
        ("flavours", "generic", [(3, "renamed", ("task_struct.__state",), True)]),
        ("flavours_unguarded", "generic", [(0, "renamed", ("task_struct.__state",), False)]),
        (
            "inode_times",
            "generic",
            [(0, "renamed", ("inode.i_atime_sec", "inode.i_atime_nsec"), False)],
        ),
        (
            "inode_times_guarded",
            "generic",
            [(1, "renamed", ("inode.i_atime_sec", "inode.i_atime_nsec"), True)],
        ),
        (
            "iov_iter",
            "generic",
            [
                (0, "renamed", ("iov_iter.iter_type",), False),
                (1, "renamed", ("iov_iter.__iov",), False),
            ],
        ),
        ("bitfield_now", "generic", [(1, "bit field now", (), False)]),
        ("array_short", "generic", [(0, "shorter array", (), False)]),
        ("int_signs", "generic", [(0, "other size", (), False)]),
        ("type_kinds", "generic", [(4, "other kind", ("atomic_t",), False)]),
        ("block_event", "generic", [(0, "renamed", ("struct trace_event_raw_block_rq",), False)]),
        ("subprograms", "generic", [(0, "gone", (), False)]),
        ("kernfs_parent", "generic", []),
        ("module_types", "cloud", []),
    ],
)
def test_why_a_relocation_fails(
    program: str, target: str, found: list[tuple[int, str, tuple[str, ...], Any]]
) -> None:
    assert reasons(program, target) == found


def test_a_member_that_moved_is_found_where_it_is() -> None:
    ((number, cause, instead, guarded),) = reasons("task_cpu")
    assert (number, cause, guarded) == (0, "moved", False)
    assert instead[0] == "task_struct.thread_info.cpu"


def test_a_pointer_that_is_gone_is_looked_for_behind_others() -> None:
    ((_, cause, instead, _guarded),) = reasons("rq_disk")
    assert cause == "gone"
    assert "request.q->disk" in instead


def test_checks_of_all_forms_guard_and_others_do_not() -> None:
    guards = [(one.path, one.guarded) for one in findings("guards", "generic") if one.poison]
    assert guards == [
        ("nobody_knows.x", True),
        ("task_struct.nobody", True),
        ("task_struct.nothing", True),
        ("task_struct.nothing", True),
        ("enum bpf_map_type::BPF_MAP_TYPE_NEVER", True),
        ("task_struct.no_one", False),
    ]
    assert not check_object(own_object("guards"), kernel("generic")).loads


def test_relocations_say_which_program_and_line_they_are_of() -> None:
    names = {one.relocation.program for one in findings("subprograms", "generic")}
    assert names == {"helper", "broken", "first", "second"}
    (first, *_) = findings("inode_times", "generic")
    line = first.relocation.line
    assert line is not None
    assert "i_atime.tv_sec" in line.line
    assert Path(line.file_name).name == "inode_times.c"


def test_ambiguous_types_are_an_error() -> None:
    report = check_object(own_object("ambiguous"), kernel("ambiguous_kernel"))
    errors = [str(one.error) for one in report.findings if one.error is not None]
    assert len(errors) >= 4
    assert all(error.startswith("ambiguous: ") for error in errors)
    assert not report.loads
    with pytest.raises(CoreError, match="ambiguous"):
        mark_object(Marks(), own_object("ambiguous"), kernel("ambiguous_kernel"))


def test_what_libbpf_does_not_load_may_be_ambiguous(tmp_path: Path) -> None:
    data = (OBJECTS / "ambiguous.bpf.o").read_bytes()
    # The same length, so that no place changes: SEC("raw_tp/...") becomes SEC("?aw_tp/...").
    path = tmp_path / "optional.bpf.o"
    path.write_bytes(data.replace(b"raw_tp/", b"?aw_tp/"))
    program = read_object(path)
    assert check_object(program, kernel("ambiguous_kernel")).loads
    mark_object(Marks(), program, kernel("ambiguous_kernel"))


def minimised(target: Kernel, *programs: BpfObject) -> Kernel:
    """A kernel and its modules, cut down to what programs need."""
    marks = Marks()
    for program in programs:
        mark_object(marks, program, target)
    base = minimal(target.vmlinux, marks)
    modules = {
        name: minimal(btf, marks, {target.vmlinux: base}).btf
        for name, btf in target.modules.items()
        if marks.types.get(btf)
    }
    return Kernel(base.btf, modules)


def answers(program: BpfObject, target: Kernel) -> list[dict[str, Any]]:
    """What does not depend on how a kernel's types are numbered."""
    kept = ("orig", "poison", "memsz_fail", "bit_offset", "fails", "code", "off")
    rows = told(program, target)
    for row in rows:
        # The id of the kernel's type.
        kept_row = {key: row[key] for key in kept}
        kept_row["new"] = bool(row["new"]) if row["kind"] == 7 else row["new"]
        row.clear()
        row.update(kept_row)
    return rows


@pytest.mark.parametrize("target", ["generic", "cloud"])
def test_every_relocation_is_the_same_on_the_minimal_btf(target: str) -> None:
    programs = [own_object(name) for name in NAMES]
    whole = kernel(target)
    together = minimised(whole, *programs)
    for program in programs:
        alone = minimised(whole, program)
        wanted = answers(program, whole)
        assert answers(program, alone) == wanted, program.path
        assert answers(program, together) == wanted, program.path


def test_minimal_modules_stand_over_the_minimal_kernel() -> None:
    whole = kernel("cloud")
    small = minimised(whole, own_object("module_types"))
    assert set(small.modules) == {"nf_tables", "xfs", "kvm-intel"}
    for btf in small.modules.values():
        assert btf.base is small.vmlinux
        again = loads(dumps(btf), loads(dumps(small.vmlinux)))
        assert again.equivalent(btf)
    table = small.modules["nf_tables"].find("nft_table")
    assert isinstance(table, views.Struct)
    assert [member.name for member in table.members] == ["handle", "family", "genmask"]
    assert table.kind_flag


def test_forwards_and_tags_stay_where_bpftool_gives_up() -> None:
    builder = Builder()
    builder.add(views.Fwd("hidden"))
    builder.add(views.TypeTag("user", 1))
    builder.add(views.Ptr(2))
    builder.add(views.Typedef("handle", 3))
    btf = builder.build()
    marks = Marks()
    mark_named(marks, [btf], ["handle"], "all")
    assert [view.kind for view in minimal(btf, marks).btf] == [view.kind for view in btf]


def test_names_to_keep() -> None:
    btf = kernel("generic").vmlinux
    whole = minimise(btf, keep=["enum pid_type"]).btf
    assert [getattr(view, "name", "") for view in whole] == ["pid_type"]
    path = minimise(btf, keep=["task_struct.thread.fpu"], members="named").btf
    task = path.find("task_struct")
    assert isinstance(task, views.Struct)
    assert [member.name for member in task.members] == ["thread"]
    assert task.size == btf.sizeof(btf.find("task_struct"))
    many = minimise(btf, keep=["struct list_h*,hlist_head"]).btf
    assert {"list_head", "hlist_head"} <= {getattr(view, "name", "") for view in many}


@pytest.mark.parametrize(
    ("bad", "error"),
    [("nobody_knows", UnknownNameError), ("a b c", SpecError), ("page.no", NoMemberError)],
)
def test_what_is_not_there_can_not_be_kept(bad: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        minimise(kernel("generic").vmlinux, keep=[bad])


def test_other_byte_orders_are_refused() -> None:
    builder = Builder(byteorder="big")
    builder.add(views.Int("int", 4))
    with pytest.raises(RequirementError, match="big-endian"):
        Resolver.of(own_object("fields").btf, Kernel(builder.build()))


@pytest.fixture
def cloud(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "cloud.btf"
    path.parent.mkdir()
    path.write_bytes(dumps(kernel("cloud").vmlinux))
    return path


def test_the_command_core(cloud: Path, tmp_path: Path) -> None:
    objects = [str(OBJECTS / f"{name}.bpf.o") for name in ("inode_times", "flavours")]
    page = tmp_path / "page.html"
    run = CliRunner().invoke(cli, ["core", *objects, "-T", f"c={cloud}", "--html", str(page)])
    assert run.exit_code == 1
    assert "has no member i_atime here; it has i_atime_sec" in run.output
    assert "guarded: never reached on this kernel" in run.output
    assert "2 object-kernel pairs: 1 loads, 1 breaks, 0 unread" in run.output
    assert "i_atime_sec" in page.read_text()
    run = CliRunner().invoke(
        cli, ["core", *objects, "--all", str(cloud.parent), "--json", "--quiet"]
    )
    rows = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    assert rows[0]["object"] == objects[0]
    assert (rows[0]["target"], rows[0]["program"], rows[0]["index"]) == (
        "cloud.btf",
        "inode_times",
        0,
    )
    assert (rows[0]["kind"], rows[0]["path"]) == ("byte_off", "inode.i_atime.tv_sec")
    assert (rows[0]["candidate"], rows[0]["value"], rows[0]["poison"]) == (None, None, True)
    assert rows[0]["guarded"] is False
    assert rows[1]["value"] == 64
    assert rows[1]["candidate"] == kernel("cloud").vmlinux.find_ids("inode", 4)[0]
    refused = CliRunner().invoke(cli, ["core", *objects, "-T", str(cloud), "--html", str(cloud)])
    assert refused.exit_code == 2
    assert load(cloud).equivalent(kernel("cloud").vmlinux)


def test_the_command_minimise(cloud: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    target = kernel("cloud")
    modules = []
    for name in ("nf_tables", "xfs"):
        modules.append(str(cloud.parent / f"{name}.btf"))
        Path(modules[-1]).write_bytes(dumps(target.modules[name]))
    program = str(OBJECTS / "module_types.bpf.o")
    command = ["minimise", str(cloud), *modules, "--for", program, "--out-dir", str(out)]
    first = CliRunner().invoke(cli, command)
    assert first.exit_code == 0, first.output
    base = load(out / "cloud.btf")
    assert load(out / "nf_tables.btf", base).find("nft_table")
    assert (out / "xfs.btf").stat().st_size < 500
    before = (out / "cloud.btf").stat().st_mtime_ns
    again = CliRunner().invoke(cli, command)
    assert again.exit_code == 0, again.output
    assert (out / "cloud.btf").stat().st_mtime_ns == before
    assert again.output == first.output
    over = CliRunner().invoke(cli, ["minimise", str(cloud), "--for", program, "-o", str(cloud)])
    assert over.exit_code == 2
    assert load(cloud).equivalent(target.vmlinux)


@pytest.mark.slow
def test_processes_give_what_one_gives(cloud: Path, tmp_path: Path) -> None:
    for number in range(3):
        (cloud.parent / f"{number}.btf").write_bytes(cloud.read_bytes())
    objects = [str(OBJECTS / f"{name}.bpf.o") for name in ("inode_times", "flavours")]
    command = ["core", *objects, "--all", str(cloud.parent), "--quiet", "--json"]
    alone, many = (CliRunner().invoke(cli, [*command, "--jobs", jobs]) for jobs in "12")
    assert alone.exit_code == many.exit_code == 1
    assert alone.stdout == many.stdout
    outputs = []
    for jobs in "12":
        out = tmp_path / jobs
        command = ["minimise", "--all", str(cloud.parent), "--for", objects[0], "--quiet"]
        run = CliRunner().invoke(cli, [*command, "--jobs", jobs, "--out-dir", str(out)])
        assert run.exit_code == 0, run.output
        outputs.append({path.name: path.read_bytes() for path in sorted(out.glob("*.btf"))})
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) == 4


def test_a_run_of_core_goes_on_where_it_stopped(cloud: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    program = str(OBJECTS / "inode_times.bpf.o")
    command = ["core", program, "--all", str(cloud.parent), "--out-dir", str(out), "--quiet"]
    first = CliRunner().invoke(cli, command)
    rows = [json.loads(line) for line in (out / "cloud.btf.jsonl").read_text().splitlines()]
    assert [row["poison"] for row in rows] == [True, False, False]
    assert [row["fails"] for row in rows] == [True, False, False]
    before = (out / "cloud.btf.jsonl").stat().st_mtime_ns
    second = CliRunner().invoke(cli, command)
    assert (first.exit_code, second.exit_code) == (1, 1)
    assert first.stdout == second.stdout
    assert (out / "cloud.btf.jsonl").stat().st_mtime_ns == before


def test_a_kernel_that_can_not_be_read_is_an_error_of_its_own(cloud: Path) -> None:
    (cloud.parent / "broken.btf").write_bytes(b"no BTF")
    program = str(OBJECTS / "fields.bpf.o")
    run = CliRunner().invoke(cli, ["core", program, "--all", str(cloud.parent), "--quiet"])
    assert run.exit_code == 1
    assert "1 loads, 0 break, 1 unread" in run.output
    assert "broken.btf" in run.output


def test_what_is_no_bpf_object_is_an_error(cloud: Path, tmp_path: Path) -> None:
    """Swapped arguments are an answer about nothing otherwise."""
    vmlinux, output = str(cloud), str(tmp_path / "out.btf")
    program = str(OBJECTS / "fields.bpf.o")
    machine = tmp_path / "x86.o"
    data = bytearray(make_elf({".BTF": cloud.read_bytes()}))
    # e_machine: EM_X86_64 in the place of EM_BPF.
    data[18] = 62
    machine.write_bytes(data)
    for arguments, said in (
        (["core", vmlinux, "-T", vmlinux], "raw BTF, expected a BPF object"),
        (["core", str(machine), "-T", vmlinux], "another ELF file, expected a BPF object"),
        (["minimise", vmlinux, "--for", vmlinux, "-o", output], "raw BTF, expected a BPF object"),
        (["minimise", program, "--for", vmlinux, "-o", output], "raw BTF, expected a BPF object"),
        (["diff", vmlinux, vmlinux, "--for", vmlinux], "raw BTF, expected a BPF object"),
    ):
        run = CliRunner().invoke(cli, arguments)
        # diff, like other diffs, has its own exit code for trouble.
        assert run.exit_code == (2 if arguments[0] == "diff" else 1)
        assert said in run.output
        assert not Path(output).exists()


def test_an_object_without_relocations_loads(cloud: Path) -> None:
    program = str(DATA / "bpf" / "externs.bpf.o")
    run = CliRunner().invoke(cli, ["core", program, "-T", f"c={cloud}"])
    assert run.exit_code == 0, run.output


def test_what_fails_alike_at_one_line_is_told_once(cloud: Path, tmp_path: Path) -> None:
    program, page = str(OBJECTS / "bitfield_gone.bpf.o"), tmp_path / "page.html"
    run = CliRunner().invoke(cli, ["core", program, "-T", f"c={cloud}", "--html", str(page)])
    assert run.exit_code == 1
    # clang gives the first of them the function's line.
    first, second, *_ = run.output.split("c: ")[1:]
    assert "bitfield_gone relocation 0 (byte_off sk_buff.nobody) (not guarded)" in first
    head, reason, line = second.splitlines()
    assert head.endswith(
        "relocations 1, 2, 3 (byte_sz, lshift_u64, rshift_u64 sk_buff.nobody) (not guarded)"
    )
    assert reason == "  struct sk_buff has no member nobody here, nor one with a similar name"
    assert "ask(0, skb->nobody)" in line
    # The page has an entry for each line.
    assert page.read_text().count("<code>sk_buff.nobody</code>") == 2


def test_reasons_name_what_a_kernel_may_have_without_flavours(cloud: Path) -> None:
    program = str(OBJECTS / "bitfield_gone.bpf.o")
    run = CliRunner().invoke(cli, ["core", program, "-T", f"c={cloud}"])
    assert "  this kernel does not have struct gone\n" in run.output
    assert "  enum bpf_map_type has no value BPF_MAP_TYPE_GONE here" in run.output
    assert "(byte_off gone___m.x)" in run.output


def test_programs_that_are_not_loaded_do_no_harm(cloud: Path) -> None:
    report = check_object(own_object("not_loaded"), kernel("cloud"))
    assert report.loads
    found = [(one.relocation.program, one.poison, one.spared) for one in report.findings]
    assert found == [("loaded", False, None), ("not_loaded", True, "not loaded")]
    run = CliRunner().invoke(cli, ["core", str(OBJECTS / "not_loaded.bpf.o"), "-T", str(cloud)])
    assert run.exit_code == 0
    assert "(not loaded: the section's name begins with ?)" in run.output


def test_checks_of_read_only_data_calls_and_kernel_functions() -> None:
    report = check_object(own_object("more_guards"), kernel("cloud"))
    found = {one.relocation.program: one.spared for one in report.findings if one.poison}
    assert found == {
        "flag": "initial values",
        "flag_is_set": None,
        "flag_may_change": None,
        "asks_function": "guarded",
        "asks_global": None,
        "get_passed": "guarded",
        "get_behind": "guarded",
        "get_open": None,
        "kfunc_there": None,
        "kfunc_there_else": "guarded",
        "kfunc_gone": "guarded",
    }


@pytest.mark.parametrize(
    ("lines", "gone"),
    [
        # r1 = 1; lock fetch_add(r10 - 8, r1); if r1 == 1 goto +1; poison; exit
        ([(0xB7, 1, 0, 0, 1), (0xDB, 10, 1, -8, 0x01)], False),
        # r1 = 1; lock add(r10 - 8, r1), which leaves r1 as it was
        ([(0xB7, 1, 0, 0, 1), (0xDB, 10, 1, -8, 0x00)], True),
        # r1 = 1; r0 = lock cmpxchg(r10 - 8, r0, r1)
        ([(0xB7, 1, 0, 0, 1), (0xDB, 10, 1, -8, 0xF1)], True),
        # r1 = 1; r0 = *(u32 *)skb[0], which is a call
        ([(0xB7, 1, 0, 0, 1), (0x20, 0, 0, 0, 0)], False),
    ],
)
def test_what_changes_registers_on_the_side(
    lines: list[tuple[int, int, int, int, int]], gone: bool
) -> None:
    end = [(0x15, 1, 0, 1, 1), (0x85, 0, 0, 0, 195896080), (0x95, 0, 0, 0, 0)]
    insns = [Insn(*line) for line in (*lines, *end)]
    code = Code({"xdp": insns}, {"xdp": [0]}, {}, (), {}, {}, "little")
    assert (("xdp", 3) not in reached(code)) == gone


def lookups(program: str, target: Kernel) -> dict[str, tuple[bool, str | None, str]]:
    """Of each name whether it keeps the object from loading, why it does not, and the reason."""
    return {
        f"{one.place.program} {one.name}": (
            one.fails,
            one.spared,
            one.reason.text if one.reason is not None else "",
        )
        for one in check_object(own_object(program), target).lookups
    }


# tests/kernel/test_core_names.py asks libbpf itself.
def test_attach_targets_that_are_not_there() -> None:
    target = kernel("cloud")
    found = lookups("attach_points", target)
    fine = {name for name, (fails, spared, _) in found.items() if not fails and not spared}
    assert fine == {
        "here fentry/vfs_read",
        "hook lsm/file_open",
        "tracepoint tp_btf/sched_switch",
        "iterator iter/task",
        "in_module fentry/nft_chain_validate",
        "in_this_module fentry/nf_tables:nft_chain_validate",
        "in_kernel fentry/vmlinux:vfs_read",
    }
    assert [name for name, one in found.items() if one[1]] == ["not_loaded fentry/no_such_function"]
    assert found["gone fentry/no_such_function"][2] == (
        "this kernel's BTF has no function no_such_function to attach to, nor has that of its "
        "4 modules"
    )
    assert found["gone_hook lsm.s/no_such_hook"][2].startswith(
        "this kernel's BTF has no LSM hook no_such_hook (bpf_lsm_no_such_hook) to attach to"
    )
    assert found["in_other_module fexit/xfs:nft_chain_validate"][2] == (
        "xfs's BTF has no function nft_chain_validate to attach to"
    )
    alone = lookups("attach_points", Kernel(target.vmlinux))
    assert alone["in_module fentry/nft_chain_validate"][2] == (
        "this kernel's BTF has no function nft_chain_validate to attach to; a module may have it, "
        "and no modules were given"
    )
    assert alone["in_this_module fentry/nf_tables:nft_chain_validate"][2] == (
        "function nft_chain_validate is to be in module nf_tables, and no modules were given"
    )


def test_btf_without_functions_says_nothing_about_names() -> None:
    target = kernel("cloud")
    small = minimised(target, own_object("inode_times_guarded"))
    assert check_object(own_object("inode_times_guarded"), small).loads
    assert not lookups("attach_points", small)


@pytest.mark.parametrize(
    ("section", "instead"),
    [
        ("fentry/sys_bpf", ("__sys_bpf", "bpf_sys_bpf", "kern_sys_bpf")),
        ("tp_btf/block_rq", ("block_rq_error", "block_rq_issue", "block_rq_merge")),
        ("fentry/relay_set_buf_dentry", ("__relay_set_buf_dentry",)),
        ("fentry/read", ()),
        ("lsm/xyz", ()),
        ("fentry/", ()),
        ("fentry/:", ()),
        ("tp_btf/", ()),
    ],
)
def test_functions_that_have_another_name_now(section: str, instead: tuple[str, ...]) -> None:
    symbol = Symbol("program", "function", section, 0, is_global=True)
    builder = Builder()
    builder.add(INT)
    btf = evolve(builder.build(), object_file=ObjectFile({}, (symbol,)))
    (found,) = check_object(BpfObject("x", btf), kernel("cloud")).lookups
    assert found.reason is not None
    assert found.reason.instead == instead
    assert (f"; it has {', '.join(instead)}" in found.reason.text) == bool(instead)


def test_symbols_whose_types_run_in_a_circle_are_refused() -> None:
    builder = Builder()
    builder.add(views.Typedef("one", 2))
    builder.add(views.Typedef("other", 1))
    builder.add(views.Var("runqueues", 1, views.Linkage.EXTERN))
    builder.add(views.Var("ops", 1, views.Linkage.GLOBAL))
    builder.add(views.Datasec(".ksyms", 0, [views.VarSecinfo(3, 0, 0)]))
    builder.add(views.Datasec(".struct_ops", 0, [views.VarSecinfo(4, 0, 0)]))
    symbol = Symbol("runqueues", "none", None, 0, is_global=True)
    btf = evolve(builder.build(), object_file=ObjectFile({}, (symbol,)))
    (found,) = check_object(BpfObject("x", btf), kernel("cloud")).lookups
    assert found.reason is not None
    assert "circle" in found.reason.text


def test_kernel_functions_and_variables_that_are_not_there() -> None:
    found = lookups("kernel_symbols", kernel("cloud"))
    failing = {name.split()[1]: one[2] for name, one in found.items() if one[0]}
    assert set(failing) == {"bpf_task_release", "no_such_kfunc", "no_such_variable"}
    assert failing["bpf_task_release"] == (
        "bpf_task_release has other parameters or another result here"
    )
    assert failing["no_such_kfunc"].startswith("this kernel's BTF has no function no_such_kfunc,")
    weak = {name.split()[1] for name, one in found.items() if one[1] == "weak" and one[2]}
    assert weak == {"no_such_weak_kfunc", "no_such_weak_variable"}
    # Its address is in /proc/kallsyms.
    assert not any("bpf_prog_active" in name for name in found)


def test_structs_to_implement_that_are_not_there() -> None:
    found = lookups("struct_ops", kernel("cloud"))
    assert [name for name, one in found.items() if one[0]] == ["gone no_such_ops"]
    assert found["here tcp_congestion_ops"] == (False, None, "")
    assert found["not_made no_such_ops"][1] == "not loaded"


def test_the_command_says_which_names_are_not_there(cloud: Path, tmp_path: Path) -> None:
    program, page = str(OBJECTS / "kernel_symbols.bpf.o"), tmp_path / "page.html"
    run = CliRunner().invoke(cli, ["core", program, "-T", f"c={cloud}", "--html", str(page)])
    assert run.exit_code == 1
    assert (
        f"c: {program}: kernel_symbols kfunc no_such_kfunc\n"
        "  this kernel's BTF has no function no_such_kfunc; a module may have it, and no modules "
        "were given\n"
        "  ./kernel_symbols.c:21: out[2] = no_such_kfunc(ctx);\n"
    ) in run.output
    assert "ksym no_such_weak_variable (weak: the program loads without it)\n" in run.output
    assert "no_such_kfunc" in page.read_text()
    assert "no_such_weak" not in page.read_text()
    run = CliRunner().invoke(cli, ["core", program, "-T", f"c={cloud}", "--json"])
    rows = {row["path"]: row for row in map(json.loads, run.stdout.splitlines())}
    row = rows["no_such_kfunc"]
    assert (row["kind"], row["fails"], row["cause"], row["line"]) == (
        "kfunc",
        True,
        "no symbol",
        21,
    )
    assert rows["bpf_task_acquire___one"]["module"] == "vmlinux"


def test_usage() -> None:
    program = str(OBJECTS / "fields.bpf.o")
    for arguments, said in (
        (["core", program, "-T", "a", "-T", "a"], "given twice"),
        (["minimise", "vmlinux", "-o", "x"], "say what to keep"),
        (["minimise", "vmlinux", "--for", program], "give -o/--output FILE or --out-dir DIR"),
        (["minimise", "a", "b", "--for", program, "-o", "x"], "use --out-dir"),
    ):
        run = CliRunner().invoke(cli, arguments)
        assert run.exit_code == 2, run.output
        assert said in run.output


@pytest.mark.parametrize(("byteorder", "shift"), [("little", 64 - 8), ("big", 32 + 5)])
def test_bit_fields_count_from_the_other_end_on_big_endian_machines(
    byteorder: ByteOrder, shift: int
) -> None:
    """Bits 5 to 7 of a u32: the left shift that leaves just them at the top of 64 bits."""
    builder = Builder(byteorder=byteorder)
    builder.add(views.Int("u32", 4))
    builder.add(views.Struct("flags", 4, [views.Member("mode", 1, 5, 3)]))
    btf = builder.build()
    resolver = Resolver.of(btf, Kernel(btf))
    asked = [CoreReloKind.FIELD_LSHIFT_U64, CoreReloKind.FIELD_RSHIFT_U64]
    found = [resolver.resolve(CoreRelo(0, 2, "0:0", kind)).value for kind in asked]
    assert found == [shift, 61]
    first, second = (1, 2) if byteorder == "big" else (2, 1)
    insn = decode(bytes([0x18, 0x12, 0, 1, 0, 0, 0, 2]), byteorder)[0]
    assert (insn.dst, insn.src) == (first, second)
