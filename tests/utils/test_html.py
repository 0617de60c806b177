import jinja2
import pytest

from nnunet_tv.utils.html import render


def test_text_is_escaped_and_every_variable_is_required():
    content = {"failed": [], "prepared": [], "review": [], "others": [], "metrics": [], "unusual": {}, "convention": ""}
    page = render("qc.html.j2", registration="<b>", **content)
    assert "space: &lt;b&gt;" in page and "For research use only" in page and page.startswith("<!DOCTYPE html>")
    with pytest.raises(jinja2.UndefinedError, match="registration"):
        render("qc.html.j2", **content)
