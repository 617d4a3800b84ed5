"""What is written is what a YAML reader reads."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.export.yaml_text import yaml_lines

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name.lower() not in {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**60), 2**60),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126), max_size=12),
)
documents = st.recursive(
    st.dictionaries(names, scalars, min_size=1, max_size=4),
    lambda inner: st.dictionaries(
        names,
        st.one_of(inner, scalars, st.lists(st.one_of(inner, scalars), min_size=1, max_size=3)),
        min_size=1,
    ),
    max_leaves=12,
)


@settings(max_examples=60)
@given(documents)
def test_documents_come_back_with_their_types(document):
    text = "\n".join(yaml_lines(document)) + "\n"
    read = yaml.safe_load(text)
    assert read == document
    assert repr(read) == repr(document)  # 1 is not 1.0, and the order is kept


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(number):
    with pytest.raises(ValueError, match="no finite number"):
        list(yaml_lines({"energy": number}))
