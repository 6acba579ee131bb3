"""The page is one file that needs nothing else, whatever the run came to and whatever things are called."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from chaos.render import html
from chaos.render.report_data import ReportData
from chaos.render.sentences import banner

Ending = Callable[[str], ReportData]
VOID = {"meta", "input", "br", "link", "img", "hr", "base"}


class Page(HTMLParser):
    """Every element with its attributes; the texts; whether tags close as they opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.scripts if self.open and self.open[-1] == "script" else self.texts).append(data)

    @property
    def headings(self) -> list[str]:
        return re.findall(r"\S[^\n]*", "\n".join(self.texts))


def test_every_ending_gives_a_page_with_every_part(any_run: ReportData) -> None:
    text = html.render(any_run)
    page = Page(text)
    said = set(page.headings)
    parts = {
        "The story",
        "What happened",
        "Tolerances",
        "What this run taught",
        "Was the fault really in effect?",
        "What was changed, and put back",
        "Where, what and again",
    }
    assert parts <= said
    assert banner(any_run).word in said
    assert "sandbox" in said


def test_nothing_is_fetched_from_anywhere(any_run: ReportData) -> None:
    text = html.render(any_run)
    page = Page(text)
    for tag, attributes in page.elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "form", "video", "audio", "source"}
        for name, value in attributes.items():
            if name in {"src", "srcset", "data", "action", "xlink:href", "style"} or (name == "href" and tag != "a"):
                assert "//" not in (value or ""), (tag, name, value)
    style = re.search(r"<style>(.*?)</style>", text, re.S)
    assert style
    assert "@import" not in style[1]
    assert "url(" not in style[1]
    assert all(url.startswith("url(#") for url in re.findall(r"url\([^)]*\)", text))


def test_the_page_stays_small_however_long_the_run_was(any_run: ReportData) -> None:
    assert len(html.render(any_run).encode()) < 150_000


def test_hostile_names_stay_text(ending: Ending, hostile_name: str) -> None:
    text = html.render(ending("hostile"))
    page = Page(text)
    assert hostile_name not in text
    assert sum(tag == "script" for tag, _ in page.elements) == 2
    assert any(hostile_name in said for said in page.texts)
    for _, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes)


def test_only_our_own_script_may_run(breached: ReportData) -> None:
    page = Page(html.render(breached))
    policy = next(a["content"] for t, a in page.elements if t == "meta" and a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    import base64
    import hashlib

    digest = base64.b64encode(hashlib.sha256(page.scripts[-1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy


def test_links_lead_only_to_the_web(ending: Ending) -> None:
    data = ending("breached")
    bad = data.story.plausibility[0].model_copy(update={"ref": "javascript:alert(1)"})
    from dataclasses import replace

    page = Page(html.render(replace(data, story=replace(data.story, plausibility=(bad, data.story.plausibility[1])))))
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert links == ["#verdict", "https://status.example.com/INC-0107"]


def test_the_same_run_gives_the_same_bytes(ending: Ending) -> None:
    assert html.render(ending("breached")) == html.render(ending("breached"))


def test_left_overs_are_said_first_and_with_the_command_that_helps(ending: Ending) -> None:
    text = html.render(ending("crashed"))
    assert text.index("Not everything is put back") < text.index("The story")
    assert "gameday recover --run" in text


def test_a_cut_off_record_says_so(ending: Ending) -> None:
    assert "The record is not complete" in html.render(ending("unfinished"))
    assert "The record is not complete" not in html.render(ending("breached"))


@pytest.mark.parametrize(("name", "drawn"), [("breached", True), ("held", True), ("no-load", False)])
def test_the_tolerance_line_is_in_the_picture(ending: Ending, name: str, drawn: bool) -> None:
    assert ("tolerance: 95 of 100 within 1 s" in html.render(ending(name))) is drawn


def test_the_tolerance_line_is_only_drawn_for_the_transaction_that_it_binds(breached: ReportData) -> None:
    checkout, everything, browse = html.render(breached).split("<figure")[1:4]
    assert 'class="limit"' in checkout
    assert 'class="limit"' not in everything
    assert 'class="limit"' not in browse


def test_pictures_have_a_title_and_words_for_who_cannot_see_them(breached: ReportData) -> None:
    text = html.render(breached)
    page = Page(text)
    pictures = [attributes for tag, attributes in page.elements if tag == "svg" and attributes.get("role") == "img"]
    assert len(pictures) == 3
    ids = [attributes.get("id") for _, attributes in page.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    for picture in pictures:
        assert set((picture["aria-labelledby"] or "").split()) <= set(ids)
    assert "Vendor-outage at payments from 9.0 s to 21.0 s." in text
    assert "No answer from about 10.0 s to 21.0 s." in text


def test_the_read_out_has_a_row_for_every_second(breached: ReportData) -> None:
    page = Page(html.render(breached))
    readings = json.loads(page.scripts[0])
    assert [len(each["rows"]) for each in readings] == [29, 29, 29]
    first = readings[0]["rows"][0]
    assert first[:2] == [0.0, 1.0]
    assert len(first) == 11
