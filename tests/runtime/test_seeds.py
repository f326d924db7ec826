from gptcli.runtime.seeds import derive_seed


def test_seed_is_the_same_on_every_machine():
    assert derive_seed(1337, "init") == 2065606668948959858


def test_streams_differ():
    seeds = {derive_seed(1337, "dropout", step, row) for step in range(50) for row in range(50)}
    assert len(seeds) == 2500


def test_seed_fits_a_signed_64_bit_number():
    assert all(0 <= derive_seed(number) < 2**63 for number in range(1000))
