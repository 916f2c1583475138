"""How well rare cases are found, what deciding costs, and whether groups are treated alike."""

from registry.metric_words.parts import MetricWords

RATES = {
    "recall": "how many {events} are caught",
    "false_positive_rate": "how many others are flagged wrongly",
    "alert_rate": "how many {cases} are flagged",
}

WORDS = {
    "average_precision": MetricWords(
        question="Of the {cases} it flags, are enough really {events}?",
        unit="of 100 flagged {cases}",
        meaning="Out of 100 {cases} flagged, about {n} were {events}, averaged over all levels of strictness.",
        up="Out of 100 {cases} flagged, about {n} more were {events} than with the version in use.",
        down="Out of 100 {cases} flagged, about {n} fewer were {events} than with the version in use.",
        explained="Of the {cases} we flag, how many are really {events}, over all levels of strictness.",
    ),
    "precision_at_5pct_alerts": MetricWords(
        question="When it flags the 5 in 100 {cases} it is surest about, are enough of them {events}?",
        unit="of 100 flagged {cases}",
        meaning="Out of 100 {cases} flagged, about {n} were {events}; the others were false alarms.",
        up="Out of 100 {cases} flagged, about {n} more were {events} than with the version in use.",
        down="Out of 100 {cases} flagged, about {n} fewer were {events} than with the version in use.",
        explained="When 5 in 100 {cases} are flagged, how many of the flagged are really {events}.",
    ),
    "recall_at_5pct_alerts": MetricWords(
        question="Does it catch enough of the {events}?",
        unit="of 100 {events}",
        meaning="Out of 100 {events}, {n} are among the few {cases} it flags (5 in every 100); it misses the rest.",
        up="Out of 100 {events}, it catches {n} more than the version in use.",
        down="Out of 100 {events}, it catches {n} fewer than the version in use.",
        explained="When 5 in 100 {cases} are flagged, how many of all {events} are among them.",
    ),
    "roc_auc": MetricWords(
        question="Can it tell {events} from other {cases}?",
        unit="of 100 pairs ordered rightly",
        meaning="Shown one of the {events} and one other, it picks the right one in {n} of 100 tries. "
        "Tossing a coin is right in 50.",
        up="It picks the right one of two {cases} in {n} more of 100 tries than the version in use.",
        down="It picks the right one of two {cases} in {n} fewer of 100 tries than the version in use.",
        explained="Shown one of the {events} and one other, how often it picks the right one; a coin does so in 50 of 100.",
    ),
    "brier_score": MetricWords(
        question="Are the chances it gives close to what happens?",
        unit="penalty points of 100",
        meaning="It collects {n} of 100 penalty points for chances that turned out wrong. A perfect forecast collects "
        "none; saying “50 in 100” every time collects 25.",
        up="It collects {n} more penalty points of 100 than the version in use.",
        down="It collects {n} fewer penalty points of 100 than the version in use.",
        explained="Penalty points for chances that turned out wrong: 0 is perfect, “50 in 100” every time is 0.25.",
        higher_is_better=False,
    ),
    "calibration_error": MetricWords(
        question="Can people trust the chances it shows?",
        unit="in 100 beside the truth",
        meaning="Where it says “40 in 100”, about 40 should come true. On average it is {n} in 100 beside that.",
        up="The chances it shows are {n} in 100 further from the truth than those of the version in use.",
        down="The chances it shows are {n} in 100 nearer to the truth than those of the version in use.",
        explained="How far, on average, the chance it shows is from how often it comes true.",
        higher_is_better=False,
    ),
    "recall_at_1pct_false_positives": MetricWords(
        question="Does it catch enough of the {events}, if it may disturb 1 in 100 of the others?",
        unit="of 100 {events}",
        meaning="With a limit set so that at most 1 in 100 of the other {cases} is flagged, it catches {n} of 100 {events}.",
        up="At the same limit on false alarms, it catches {n} more of 100 {events} than the version in use.",
        down="At the same limit on false alarms, it catches {n} fewer of 100 {events} than the version in use.",
        explained="How many of all {events} are caught when the limit, set beforehand on other rows, lets 1 in 100 others be flagged.",
    ),
    "recall_at_90pct_precision": MetricWords(
        question="Does it catch enough of the {events}, if 9 of 10 alarms are to be right?",
        unit="of 100 {events}",
        meaning="With a limit set so that 90 of 100 alarms are right, it catches {n} of 100 {events}.",
        up="At the same share of right alarms, it catches {n} more of 100 {events} than the version in use.",
        down="At the same share of right alarms, it catches {n} fewer of 100 {events} than the version in use.",
        explained="How many of all {events} are caught when the limit, set beforehand on other rows, keeps 90 of 100 alarms right.",
    ),
    "alert_rate": MetricWords(
        question="How many {cases} does it flag?",
        unit="of 100 {cases} flagged",
        meaning="It flags {n} of 100 {cases}.",
        up="It flags {n} more of 100 {cases} than the version in use.",
        down="It flags {n} fewer of 100 {cases} than the version in use.",
        explained="How many of all {cases} are flagged, at the limit that was set beforehand on other rows.",
        higher_is_better=False,
    ),
    "cost_per_case": MetricWords(
        question="What do its decisions cost?",
        unit="per case, in the currency of the costs",
        meaning="Its decisions cost {n} per case, misses and false alarms together.",
        up="Its decisions cost {n} more per case than those of the version in use.",
        down="Its decisions cost {n} less per case than those of the version in use.",
        explained="What misses and false alarms cost on average, by the costs that the team declared.",
        higher_is_better=False,
        scale=1.0,
        most=None,
    ),
    **{
        f"{rate}_gap": MetricWords(
            question=f"Does it treat the groups alike in {what}?",
            unit="of 100 between the groups furthest apart",
            meaning=f"Between the groups furthest apart, {what} differs by {{n}} of 100.",
            up="The groups are {n} of 100 further apart than with the version in use.",
            down="The groups are {n} of 100 nearer to each other than with the version in use.",
            explained=f"How far apart the groups of a column are in {what}: the highest less the lowest.",
            higher_is_better=False,
        )
        for rate, what in RATES.items()
    },
    **{
        f"{rate}_ratio": MetricWords(
            question=f"Is {what} of the groups of the same size?",
            unit="of 100 of the highest group",
            meaning=f"In {what}, the lowest group reaches {{n}} of 100 of the highest. 80 is a common limit.",
            up="The lowest group comes {n} of 100 nearer to the highest than with the version in use.",
            down="The lowest group is {n} of 100 further from the highest than with the version in use.",
            explained=f"What the group with the lowest rate reaches of the one with the highest, in {what}.",
        )
        for rate, what in RATES.items()
    },
}  # fmt: skip
