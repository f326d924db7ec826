"""Tables of results, for eyes and for programs."""

import csv
import io

from gptcli.commands.view.table_layout import to_text
from gptcli.commands.view.tables import Figure, Table, facts, records, to_csv, to_markdown

_STACKED = Table(
    "Heads",
    ("head", "first token", "self"),
    (("L0.H0", Figure(0.25, "0.25"), Figure(None, "-")),),
    spare=("self", "first token"),
    stacks=True,
)


def test_notes_stand_below_a_table_and_not_in_csv() -> None:
    table = Table(
        "Models", ("model", "loss"), (("a", Figure(1.25, "1.2")),), notes=("Read it so.",)
    )
    assert to_text([table], 100, False) == "Models\nmodel  loss\na       1.2\nRead it so.\n"
    assert to_markdown([table]).endswith("| a | 1.2 |\n\nRead it so.\n")
    assert to_csv(table) == "model,loss\na,1.25\n"


def test_records_are_exact_and_what_is_unknown_is_empty() -> None:
    table = records([{"seen": 1, "bits per byte": 1 / 3}, {"seen": 2, "bits per byte": None}])
    assert to_csv(table) == f"seen,bits_per_byte\n1,{1 / 3}\n2,\n"


def test_facts_hold_exact_numbers_for_programs() -> None:
    table = facts("", [("loss", Figure(0.125, "0.12 nats")), ("data", "data/input")])
    assert to_csv(table) == "name,value\nloss,0.125\ndata,data/input\n"
    assert to_text([table], 100, False) == "loss  0.12 nats\ndata  data/input\n"


def test_a_table_without_rows_has_its_header() -> None:
    assert to_text([Table("None", ("task", "value"), ())], 100, False) == "None\ntask  value\n"


def test_a_stacked_header_is_as_wide_as_its_words() -> None:
    assert to_text([_STACKED], 80, colour=False).splitlines() == [
        "Heads",
        "       first",
        "head   token  self",
        "L0.H0   0.25     -",
    ]
    assert to_text([_STACKED], 12, colour=False).splitlines()[-1] == "L0.H0   0.25"
    assert to_csv(_STACKED) == "head,first_token,self\nL0.H0,0.25,\n"


def test_a_clipped_column_ends_at_the_end_of_the_line() -> None:
    table = Table("", ("id", "bytes"), (("a", "20 74 68 65"), ("b", "41")), clips=True)
    assert to_text([table], 10, False).splitlines() == ["id  bytes", "a   20 74…", "b   41"]
    assert "20 74 68 65" in to_text([table], 100, False)


def test_what_a_name_holds_is_spelled_out_in_header_title_and_cells() -> None:
    name = "a\nb\x1b[31m|c\u202e\u200f\u2066"
    marks = "\\u202e\\u200f\\u2066"
    table = Table(name, ("row", name), ((name, name),))
    assert to_markdown([table]).splitlines() == [
        f"**a\\nb\\x1b[31m|c{marks}**",
        "",
        f"| row | a\\nb\\x1b[31m\\|c{marks} |",
        "| --- | --- |",
        f"| a\\nb\\x1b[31m\\|c{marks} | a\\nb\\x1b[31m\\|c{marks} |",
    ]
    assert not {*"\x1b\u202e\u200f\u2066"} & {*to_text([table], 100, False)}
    assert len(to_text([table], 100, False).splitlines()) == 3
    assert list(csv.reader(io.StringIO(to_csv(table)))) == [
        ["row", f"a\nb\\x1b[31m|c{marks}"],
        [f"a\nb\\x1b[31m|c{marks}", f"a\nb\\x1b[31m|c{marks}"],
    ]


def test_columns_of_one_name_give_way_one_after_the_other() -> None:
    table = Table("", ("row", "row", "row", "change"), (("a", 1, 2, 3),), spare=("row", "row"))
    assert to_text([table], 30, False) == "row  row  row  change\na      1    2       3\n"
    assert to_text([table], 16, False) == "row  row  change\na      2       3\n"
    assert to_text([table], 5, False) == "row  change\na         3\n"


def test_a_path_in_a_header_stays_a_path_in_csv() -> None:
    assert to_csv(Table("", ("row", "runs/a"), ())) == "row,runs/a\n"
