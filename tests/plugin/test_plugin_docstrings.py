import pytest
from docstrings import check_examples, modules_with_examples


@pytest.mark.parametrize("name", modules_with_examples("plugin"))
def test_examples_in_docstrings_hold(name):
    check_examples(name)
