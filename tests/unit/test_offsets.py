"""Offsets by path, with alternatives."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from click.testing import CliRunner

from btfschema import Btf, dump
from btfschema.cli import cli
from btfschema.errors import SpecError
from btfschema.model.paths import place_of
from btfschema.questions.offsets import Answer, answer, parse_questions


def ask(btf: Btf, text: str) -> Answer:
    (question,) = parse_questions(text)
    return answer(btf, question)


def test_questions_of_a_kernel(cloud: Btf) -> None:
    pid = ask(cloud, "task_struct.pid")
    assert (pid.value, pid.size) == (2432, 4)
    old = ask(cloud, "task_struct.real_start_time | task_struct.start_boottime")
    assert old.found == "task_struct.start_boottime"
    assert ask(cloud, "sizeof(struct page)").value == cloud.sizeof(cloud.find("struct page"))
    assert ask(cloud, "enum pid_type.PIDTYPE_TGID").value == 1
    assert ask(cloud, "exists(cfs_rq.nr_queued)").value == 0
    assert ask(cloud, "exists(task_struct.pid)").value == 1
    assert ask(cloud, "task_struct.nothing | no_struct.at_all").value is None
    member = place_of(cloud, "struct task_struct", "sched_migrated")
    bits = ask(cloud, "struct task_struct.sched_migrated")
    assert bits.value is not None
    assert (8 * bits.value + bits.shift, bits.bits) == (member.bit_offset, 1)


@pytest.mark.parametrize("text", ["task_struct", "sizeof()", "exists(page)", "a.b |"])
def test_what_is_no_question(text: str) -> None:
    with pytest.raises(SpecError, match="line 1"):
        parse_questions(text)


def test_command(cloud: Btf, tmp_path: Path) -> None:
    dump(cloud, tmp_path / "k.btf")
    (tmp_path / "paths").write_text("# ours\ntask_struct.pid\ntask_struct.gone\n")
    done = CliRunner().invoke(cli, ["offsets", str(tmp_path / "paths"), str(tmp_path / "k.btf")])
    assert done.exit_code == 1
    assert "lacks task_struct.gone" in done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["value"] for row in rows] == ["2432", ""]
