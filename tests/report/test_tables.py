import pytest

from msml.report.run import (
    heading,
    plain,
    show_evaluated,
    show_posttrained,
    show_pretrained,
    with_error,
)
from msml.tables import show


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.74198, 0.00772, "0.7420 ± 0.0077"),
        (4428.2, 464.4, "4430 ± 460"),
        (237123.0, 72345.0, "237000 ± 72000"),
        (1.221, 0.0996, "1.22 ± 0.10"),
        (1.22, 0.0, "1.22"),
        (1.22, None, "1.22"),
        (0.6931471805599454, 1.5e-16, "0.6931"),
        (0.0, 0.1, "0.00 ± 0.10"),
        (None, None, "-"),
    ],
)
def test_both_are_rounded_to_the_error(value, error, text):
    assert with_error({"value": value, "error": error}) == text


def test_differences_have_a_sign():
    assert with_error({"value": 0.0204, "error": 0.0033}, sign=True) == "+0.0204 ± 0.0033"
    assert with_error({"value": -480.0, "error": 270.0}, sign=True) == "-480 ± 270"


def test_headings_have_units():
    assert heading("auc") == "auc"
    assert heading("momentum_mse_gev2") == "momentum_mse_gev2 [GeV²]"
    assert (plain(0.0656591), plain(None)) == ("0.065659", "-")


def records(chains, modes):
    found = []
    for chain in chains:
        for place, mode in enumerate(modes):
            record = {
                "chain": dict(zip(("momentum", "higgs"), chain.split("+"), strict=True)),
                "mode": mode,
                "metrics": metrics(0.75 + 0.01 * place, 0.0077),
            }
            if place:
                record["minus"] = {m: metrics(0.01, 0.002) for m in modes[:place]}
            found.append(record)
    return found


def metrics(value, error):
    estimate = {"value": value, "error": error, "low": value - error, "high": value + error}
    return {
        "momentum": {"momentum_mse": estimate, "momentum_mse_gev2": estimate},
        "higgs": {"auc": estimate, "bce": estimate},
    }


def test_several_chains_and_modes_make_a_table_for_each_metric(capsys):
    show_evaluated(records(["mlp+mass", "cnn+lstm"], ["connected", "sequential", "joint"]))
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    start = lines.index("higgs on test: auc, higher is better")
    assert lines[start + 1].split()[:4] == ["chain", "connected", "sequential", "joint"]
    row = ["mlp+mass", "0.7500", "±", "0.0077", "0.7600", "±", "0.0077", "0.7700", "±", "0.0077"]
    assert lines[start + 3].split() == [*row, *("+0.0100", "±", "0.0020") * 2]
    assert max(map(len, lines)) <= 100
    assert "momentum on test: momentum_mse_gev2 [GeV²], lower is better" in lines


def test_one_chain_makes_a_table_for_each_task(capsys):
    show_evaluated(records(["mlp+mass"], ["sequential", "joint"]))
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if line.endswith("on test")] == [
        "momentum on test",
        "higgs on test",
    ]
    (change,) = (line for line in lines[lines.index("higgs on test") :] if " - " in line)
    assert " ".join(change.split()) == "joint - sequential +0.0100 ± 0.0020 +0.0100 ± 0.0020"


def test_losses(capsys):
    show_pretrained(
        {"t": {"mlp": {"parameters": 14359, "valid_loss": None, "best_epoch": 0, "epochs": 0}}}
    )
    assert "14,359           -" in capsys.readouterr().out
    losses = {"momentum": 0.0656591, "higgs": 0.5, "total": 0.3}
    show_posttrained({"a+b": {"connected": {"valid_losses": losses}}})
    row = capsys.readouterr().out.splitlines()[3]
    assert row.split() == ["a+b", "connected", "0.065659", "0.5", "0.3", "-"]


def test_nothing_is_cut(capsys):
    show("title", ("a", "b"), [("x" * 200, "1.5 ± 0.1")], numbers=range(1, 2))
    assert f"{'x' * 200}  1.5 ± 0.1" in capsys.readouterr().out


def test_validity_has_tables_of_its_own(capsys):
    names = ["validity", *(f"validity_{n}" for n in ("taus_1", "taus_2", "pt_1", "eta_1", "pt_2"))]
    estimate = {"value": 0.75, "error": 0.01, "low": 0.74, "high": 0.76}
    found = records(["mlp+mass"], ["joint"])
    found[0]["metrics"]["momentum"] |= dict.fromkeys(names, estimate)
    show_evaluated(found)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    place = lines.index("momentum on test: fraction of events inside the bands of the reference")
    assert lines[place + 1].split() == ["chain", "mode", "validity", "taus", "1", "taus", "2"]
    titles = [i for i, line in enumerate(lines) if line.endswith("each number by itself")]
    assert [lines[i + 1].split()[2:] for i in titles] == [["pt", "1", "eta", "1"], ["pt", "2"]]
    many = records(["mlp+mass", "cnn+mass"], ["sequential", "joint"])
    for record in many:
        for each in (record["metrics"], *record.get("minus", {}).values()):
            each["momentum"] |= dict.fromkeys(names, estimate)
    show_evaluated(many)
    lines = capsys.readouterr().out.splitlines()
    assert "momentum on test: validity, higher is better" in lines
    assert not any("validity_" in line or "itself" in line for line in lines)
