"""Charts and tables of figures, and docs/performance.md, which is made of them."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from bench import BENCHES, charts
from bench.charts import CHARTS, PAGE, STORED, page, publish
from bench.report import Figure, Goal, Limit, Run, runs_in

SVG = "{http://www.w3.org/2000/svg}"
MACHINE = {
    "processor": "Some",
    "cores": 2,
    "memory_gib": 8.0,
    "system": "Linux",
    "python": "3.11.7",
    "load": 0.25,
    "taken_by_host": 0.114,
}
READ = Figure("read <one>", 5_600, "/s", "higher", Limit("an empty route", 12_000), Goal("at least", 0.45, "share"))
CREATE_P99 = Figure("create, p99", 55, "ms", "lower", None, Goal("at most", 40))
CPU = Figure("read: CPU", 180, "µs", "lower")
NOW = Run("api", "abc123", "2026-11-30T10:00:00+00:00", MACHINE, {f.name: f for f in (READ, CREATE_P99, CPU)})
BEFORE = replace(
    NOW,
    commit="def456",
    figures={
        READ.name: replace(READ, value=3_000, limit=Limit("an empty route", 10_000)),
        CPU.name: replace(CPU, value=0.4, unit="ms"),
    },
)


def test_the_page_is_made_of_the_stored_figures_alone(tmp_path: Path) -> None:
    stored = runs_in(STORED / "now"), runs_in(STORED / "before")
    assert page(PAGE.read_text(), *stored) == PAGE.read_text(), "python -m bench.charts bench/figures/now --publish"
    charts.draw(STORED / "now", STORED / "before", tmp_path)
    drawn, there = ({path.name: path.read_text() for path in folder.glob("*.svg")} for folder in (tmp_path, CHARTS))
    assert drawn == there


def test_a_chart_says_in_words_what_it_shows() -> None:
    drawn = ET.fromstring(charts.charts_of({"api": NOW}, {"api": BEFORE})["api"])
    assert drawn.get("role") == "img"
    assert [drawn.findtext(f"{SVG}title"), drawn.findtext(f"{SVG}desc")] == [
        BENCHES["api"],
        "read <one>: now 5,600/s · 47%; before 3,000/s · 30%; limit: an empty route, 12,000/s; goal: at least 45%,"
        " reached. create, p99: now 55 ms; goal: at most 40 ms, not reached.",
    ]
    texts = ["".join(text.itertext()) for text in drawn.iter(f"{SVG}text")]
    for said in ("now 5,600/s · 47%", "before 3,000/s · 30%", "limit 12,000/s", "▲ goal: at least 45%, reached"):
        assert said in texts
    lengths = {bar.get("class"): float(bar.get("width", 0)) for bar in list(drawn.iter(f"{SVG}rect"))[1:4]}
    assert lengths["now"] / lengths["limit"] == pytest.approx(5_600 / 12_000, abs=0.01)
    assert lengths["before"] / lengths["limit"] == pytest.approx(0.3, abs=0.01), "of the limit of its own run"
    assert not {element.tag.removeprefix(SVG) for element in drawn.iter()} & {"script", "image", "use", "a"}
    style = drawn.findtext(f"{SVG}style")
    assert style is not None
    assert "prefers-color-scheme: dark" in style


def test_publishing_stores_the_figures_and_makes_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, path in (("STORED", "figures"), ("CHARTS", "charts"), ("PAGE", "performance.md")):
        monkeypatch.setattr(charts, name, tmp_path / path)
    (tmp_path / "performance.md").write_text(PAGE.read_text())
    NOW.write(tmp_path / "new")
    BEFORE.write(tmp_path / "old")
    publish(tmp_path / "new", tmp_path / "old")
    made = (tmp_path / "performance.md").read_text().replace("\u00a0", " ")
    assert (
        "| read <one> | 3,000/s (30%) | 5,600/s (47%) | at least 45% | ✓ reached | an empty route, 12,000/s |" in made
    )
    assert "| create, p99 | – | 55 ms | at most 40 ms | not reached |  |" in made
    assert "| read: CPU | – | 180 µs |  |" in made, "in ms before: not the same figure"
    assert "| before | `def456` | 2026-11-30 | 2 cores of Some, 8.0 GiB; Linux; Python 3.11.7 | 0.2 | 11% |" in made
    assert "](charts/api.svg)" in made
    assert (tmp_path / "charts" / "api.svg").exists()

    replace(NOW, bench="rates", broken="OSError: no | disk").write(tmp_path / "later")
    publish(tmp_path / "later", None)
    made = (tmp_path / "performance.md").read_text()
    assert "](charts/api.svg)" in made
    assert "](charts/rates.svg)" in made
    assert "It broke off: OSError: no \\| disk" in made
    with pytest.raises(ValueError, match=r"has no part machine, goals, charts, figures"):
        page("# Nothing\n", {}, {})


def test_every_bench_is_a_module_that_reports_and_the_others_are_not_listed() -> None:
    folder = Path(charts.__file__).parent
    reporting = {path.stem for path in folder.glob("*.py") if "with Report(" in path.read_text()} - {"report"}
    assert reporting <= set(BENCHES)
