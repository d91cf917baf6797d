"""Sections of the report about trust: beside the obvious, models tried, calibration, coverage, texts out of scope."""

from collections.abc import Mapping, Sequence

from kerasnlp_kit.evaluation import page, plots
from kerasnlp_kit.evaluation.calibration import ReliabilityBins
from kerasnlp_kit.evaluation.comparison import Comparison
from kerasnlp_kit.evaluation.decision import CoverageCurve, OperatingPoint, OutOfScope
from kerasnlp_kit.evaluation.ladder import Rung, duration, number


def comparisons(named: Mapping[str, Comparison], score: str) -> str:
    """Returns how much better the model is than each baseline; ``score`` says what is compared."""
    if not named:
        return ""
    unit = "" if score == "accuracy" else score
    verdicts = page.verdicts((one.verdict, one.sentence(name, unit)) for name, one in named.items())
    rows = [
        (
            page.escape(name),
            f"{one.baseline_accuracy:.4f}",
            f"{100 * one.difference:+.2f}",
            f"{100 * one.difference_interval[0]:+.2f} to {100 * one.difference_interval[1]:+.2f}",
            f"{one.only_ours_right:,}",
            f"{one.only_baseline_right:,}",
            page.escape(one.chance().removeprefix("p = ").removeprefix("p ")),
        )
        for name, one in named.items()
    ]
    header = ("beside", score, "points", "95%", "only ours right", "only theirs right", "p")
    note = (
        '<p class="soft">On the same rows. The interval of the difference is a paired bootstrap; p is McNemar\'s exact '
        "test: could the rows that only one of the two gets right have fallen so by chance? With few such rows the "
        "test is the stricter of the two.</p>"
    )
    table = page.table(header, rows, numeric=range(1, 7))
    return page.section("Beside the obvious", verdicts, table, note)


def ladder(rungs: Sequence[Rung], score: str) -> str:
    """Returns the models that were tried, in the order given."""
    if not rungs:
        return ""
    low = min(rung.accuracy_interval[0] for rung in rungs)
    high = max(rung.accuracy_interval[1] for rung in rungs)
    rows = [
        (
            page.label(rung.model) + (' <span class="soft">chosen</span>' if rung.chosen else ""),
            f"{rung.accuracy:.4f}",
            page.interval(*rung.accuracy_interval),
            _range(rung, low, high),
            f"{rung.log_loss:.4f}",
            page.escape(duration(rung.seconds)),
            number(rung.size_mb),
            number(rung.latency_ms),
        )
        for rung in rungs
    ]
    header = ("model", f"dev {score}", "95%", "", "log loss", "training", "MB", "ms per text")
    chosen = [index for index, rung in enumerate(rungs) if rung.chosen]
    return page.section(
        "Models tried", page.table(header, rows, numeric=(1, 2, 4, 5, 6, 7), name="wide", highlighted=chosen)
    )


def calibration(bins: ReliabilityBins, before: float | None, *, decisions: bool) -> str:
    """Returns the reliability diagram.

    Args:
        bins: what it shows.
        before: the calibration error before scores were scaled, to stand beside that of `bins`.
        decisions: whether the bins are of the probabilities of a multi-label model's decisions.
    """
    if decisions:
        words = {"horizontal": "probability", "vertical": "share present", "counted": "decisions"}
        caption = (
            "All labels of all rows together. Bars on the dashed line mean honest probabilities: of the labels given "
            "80%, 80% are there. Bars below it mean the model is too sure of itself. The dots stand at each bar's mean "
            "probability. The lower part shows how many decisions have that probability."
        )
    else:
        words = {}
        caption = (
            "Bars on the dashed line mean honest confidence: of the answers given with 80%, 80% are right. Bars below "
            "it mean the model is too sure of itself. The dots stand at each bar's mean confidence. The lower part "
            "shows how many rows have that confidence."
        )
    figures = ""
    if before is not None:
        figures = page.cards(
            [
                ("calibration error before scaling", f"{before:.4f}", "as the model gave it"),
                ("after", f"{bins.expected_calibration_error:.4f}", "with scales fitted on the dev rows"),
            ]
        )
    return page.section("Calibration", figures, page.pictures([(caption, plots.reliability_diagram(bins, **words))]))


def coverage(curve: CoverageCurve | None, points: Sequence[OperatingPoint]) -> str:
    """Returns what silence buys: the accuracy if only the most confident rows get an answer."""
    if curve is None and not points:
        return ""
    shown = [(point.coverage, point.accuracy) for point in points if point.accuracy is not None]
    numbers = iter([f"{number} " for number in range(1, len(shown) + 1)] if len(shown) > 1 else [])
    rows = [
        (
            ("" if point.accuracy is None else next(numbers, "")) + page.escape(point.name),
            "per class" if point.threshold is None else page.threshold(point.threshold),
            f"{point.coverage:.1%}",
            "–" if point.accuracy is None else f"{point.accuracy:.1%}",
        )
        for point in points
    ]
    picture = ""
    if curve is not None:
        caption = (
            "Accuracy if only the rows the model is most confident of get an answer. The curve should fall to the "
            f"right. Mean error over all coverages: {curve.area:.4f}."
        )
        picture = f"<div>{page.pictures([(caption, plots.coverage_curve(curve, shown))])}</div>"
        for share in (0.5, 0.8, 0.9, 1.0):
            name = "all rows" if share == 1 else f"the most confident {share:.0%}"
            at = curve.point_at_coverage(share)
            shares = (f"{curve.coverage[at]:.1%}", f"{curve.accuracy[at]:.1%}")
            rows.append(
                (
                    f'<span class="soft">{name}</span>',
                    "" if share == 1 else page.threshold(float(curve.threshold[at])),
                    *shares,
                )
            )
    table = page.table(("", "threshold", "answered", "of these right"), rows, numeric=(1, 2, 3))
    return page.section("When it keeps silent", f'<div class="pictures">{picture}<div>{table}</div></div>')


def out_of_scope(scope: OutOfScope | None) -> str:
    """Returns how well confidence tells texts the model was not made for."""
    if scope is None:
        return ""
    figures = [
        ("AUROC", f"{scope.auroc:.4f}", "0.5 for a coin, 1 if every text in scope has more confidence"),
        (
            "answered nevertheless",
            f"{scope.false_positive_rate_at_95:.1%}",
            "of those out of scope, by one threshold for all at which 95% of those in scope are answered",
        ),
    ]
    if scope.out_rejected is not None:
        figures.append(
            ("rejected at the thresholds", f"{scope.out_rejected:.1%}", "those of the model, of the texts out of scope")
        )
    if scope.in_rejected is not None:
        figures.append(("rejected wrongly", f"{scope.in_rejected:.1%}", "of the texts in scope"))
    caption = (
        f"{scope.n_in:,} texts in scope upwards, {scope.n_out:,} out of scope downwards: the less they overlap, the "
        "better confidence tells them apart."
    )
    picture = plots.confidence_histograms(scope.edges, scope.in_histogram, scope.out_histogram)
    return page.section("Texts out of scope", page.cards(figures), page.pictures([(caption, picture)]))


def _range(rung: Rung, low: float, high: float) -> str:
    """An interval and its point on a line from `low` to `high`."""
    width = max(high - low, 1e-9)
    begin, end, point = ((value - low) / width for value in (*rung.accuracy_interval, rung.accuracy))
    return (
        f'<span class="range"><i style="left: {begin:.1%}; width: {end - begin:.1%}"></i>'
        f'<b style="left: {point:.1%}"></b></span>'
    )
