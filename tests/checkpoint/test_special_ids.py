"""Special ids that the vocabulary lacks are told of once for each field."""

import json
from pathlib import Path

from gptcli.checkpoint.model_files import special_id_notes


def test_a_field_of_many_ids_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": 50256, "bos_token_id": 3}))
    many = [4, *range(100, 100_100)]
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": many}))
    one, other = special_id_notes(tmp_path, 5)
    assert one.endswith("eos_token_id 50256 is beyond the vocabulary of 5, so it is ignored")
    assert "eos_token_id 100 (and 99,999 more) is beyond" in other
