"""Cards: what is generated is replaced, what people wrote stays."""

from __future__ import annotations

from gsi_datasets.handwritten import BEGIN, END, marked, merged


HEADER = "---\nlicense: cc-by-4.0\ntags:\n- image\n---\n"


def card(body: str, above: str = "", below: str = "", header: str = HEADER) -> str:
    return f"{header}\n{above}\n{marked(body)}\n{below}\n"


def test_text_above_and_below_stays_and_what_is_between_is_replaced() -> None:
    both = merged(card("# Ours\nnew"), card("# Ours\nold", "Before.", "After."))
    assert "new" in both
    assert "old" not in both
    assert both.index("Before.") < both.index(BEGIN) < both.index(END) < both.index("After.")
    assert merged(card("# Ours\nnew"), both) == both, "again changes nothing"


def test_fields_and_list_items_of_the_header_stay() -> None:
    old = card("# Ours", header="---\nlicense: mit\ntags:\n- image\n- mine\ndoi: 10.1/x\n---\n")
    text = merged(card("# Ours"), old)
    assert "doi: 10.1/x" in text
    assert "license: cc-by-4.0" in text, "what the package says of licences holds"
    assert text.count("- image") == 1
    assert "- mine" in text


def test_a_card_without_marks_is_kept_below_unless_it_was_generated() -> None:
    assert merged(card("# Ours"), "# Something else\n\nBy hand.").rstrip().endswith("By hand.")
    assert "stale" not in merged(card("# Ours\nfresh"), f"{HEADER}\n# Ours\nstale")
    assert merged(card("# Ours"), "") == card("# Ours")


def test_a_header_that_is_no_yaml_costs_nothing_but_itself() -> None:
    assert "fresh" in merged(card("# Ours\nfresh"), "---\n: : [\n---\n# Other\ntext")
