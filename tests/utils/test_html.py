from nnunet_tv.utils.html import bullets, document, picture, table


def test_plain_text_is_escaped_and_the_page_stands_alone(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    page = document("<a>", [table("1 < 2", ["<h>"], [["<c>", "b"]]), bullets(["<x>", "y"]),
                            picture(tmp_path / "a.png", 'say "<hi>"')])
    for text in ("&lt;a&gt;", "1 &lt; 2", "&lt;h&gt;", "&lt;c&gt;", "&lt;x&gt;", "&lt;hi&gt;"):
        assert text in page
    assert "data:image/png;base64,iVBORw==" in page and "http" not in page and "<script" not in page
    assert page.count("<li>") == 2 and page.count("<td>") == 2
