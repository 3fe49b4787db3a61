"""The page in a real browser without a network: Debian's Chromium, driven by Playwright, and axe for what it finds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hostile_results import HOSTILE, hostile, large_frontier
from saved_results import KINDS, result

from ieco_opt.reports.page import save
from ieco_opt.results.answer import Answer
from ieco_opt.results.frontier import Frontier

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FIRST_PAINT_MS = 1000.0

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium, or set CHROMIUM")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is missing: pip install 'ieco_opt[dev]'")
    with sync_api.sync_playwright() as playwright:
        # Root may start Chromium only without its sandbox; the page is ours.
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


class Opened:
    """A page in the browser, and what the browser complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"a dialog: {dialog.message}"))
        page.on("request", lambda request: self._asked(request.url))

    def _asked(self, url: str) -> None:
        if not url.startswith("file://"):
            self.complaints.append(f"asked for {url}")

    def drawn(self) -> Opened:
        """Once every chart is drawn."""
        charts = self.page.locator("figure.chart").count()
        if charts:
            self.page.locator("figure.chart .live > svg").nth(charts - 1).wait_for()
        return self


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Any]:
    """Opens results as a page, with the network off; fails where the browser complains of anything."""
    pages: list[Opened] = []

    def open_(results: list[Answer], **how: Any) -> Opened:
        file = tmp_path / f"page{len(pages)}.html"
        save(results, file, files=[f"result{at}.json" for at in range(len(results))])
        sized = {"viewport": {"width": 1280, "height": 900}} | how
        context = browser.new_context(offline=True, permissions=["clipboard-read", "clipboard-write"], **sized)
        shown = Opened(context.new_page())
        shown.page.goto(file.as_uri())
        pages.append(shown)
        return shown.drawn() if how.get("java_script_enabled", True) else shown

    yield open_
    for shown in pages:
        shown.page.context.close()
    assert [each for shown in pages for each in shown.complaints] == []


def frontier() -> Frontier:
    found = result("frontier")
    assert isinstance(found, Frontier)
    return found


def point_at(page: Page, mark: Locator) -> None:
    """Move the pointer from elsewhere to the middle of a mark."""
    mark.scroll_into_view_if_needed()
    page.mouse.move(0, 0)
    box = mark.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def details(page: Page) -> dict[str, str]:
    """What the details beside the charts say."""
    names, texts = (page.locator(f"aside.card {name}").all_text_contents() for name in ("dt", "dd"))
    return dict(zip(names, texts, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_every_page_is_drawn_without_a_word_from_the_browser(kind: str, opened: Any) -> None:
    page = opened([result(kind)]).page
    assert page.locator("h1").inner_text() == result(kind).scenario.name
    for live in page.locator("figure.chart .live").all():
        assert live.locator("svg path").count() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_names_stay_text(kind: str, opened: Any) -> None:
    page = opened([hostile(kind)]).page
    assert page.locator("h1").inner_text() == HOSTILE
    assert page.locator("img").count() == 0
    for row in page.locator("tbody tr").all()[:5]:
        row.hover()


def test_pointing_at_a_point_shows_its_configuration(opened: Any) -> None:
    found = frontier()
    page = opened([found]).page
    marks = page.locator("figure.chart").first.locator(".mark-symbol path")
    # The last mark is the ring around the point that is meant.
    assert marks.count() == len(found) + 1
    for at, item in enumerate(found):
        point_at(page, marks.nth(at))
        told = details(page)
        assert told["speed"] == f"{item.speed_tokens_per_s:.4g} output tokens/s/user"
        assert told["tensor parallel"] == f"{item.parallelism.tensor} (1d layout)"
        assert told["GPUs"] == f"{item.gpus} x {item.accelerator}"
        assert told["memory per GPU"].startswith(f"{item.memory_per_gpu_gb:.4g} of {item.memory_limit_gb:.4g} GB")
        assert page.locator("aside.card .told h3").inner_text() == f"small, point {at + 1}"
        assert page.locator("aside.card code").inner_text() == f"ieco-opt launch result0.json --point {at + 1}"


def test_the_keyboard_walks_along_the_points(opened: Any) -> None:
    found = frontier()
    page = opened([found]).page
    page.locator("aside.card input").focus()
    page.keyboard.press("ArrowRight")
    assert details(page)["cost"] == f"${found[1].cost_usd_per_mtok:.4g} per million output tokens"
    assert page.locator("tr.active td").first.inner_text() == "2"


def test_a_row_of_the_table_shows_its_point(opened: Any) -> None:
    found = frontier()
    page = opened([found]).page
    page.locator("table[data-points] tbody tr").nth(2).hover()
    assert details(page)["speed"] == f"{found[2].speed_tokens_per_s:.4g} output tokens/s/user"


def column(page: Page, at: int) -> list[str]:
    rows = page.locator("table[data-points] tbody tr:visible")
    return [row.locator("td").nth(at).inner_text() for row in rows.all()]


def test_tables_sort_by_numbers_both_ways_and_by_words(opened: Any) -> None:
    page = opened([large_frontier(30, 1)]).page
    head = page.locator("table[data-points] th", has_text="batch")
    at = head.evaluate("(head) => head.cellIndex")
    batches = [int(text.replace(",", "")) for text in column(page, at)]
    head.locator("button").click()
    assert [int(text.replace(",", "")) for text in column(page, at)] == sorted(batches)
    assert head.get_attribute("aria-sort") == "ascending"
    head.locator("button").press("Enter")
    assert [int(text.replace(",", "")) for text in column(page, at)] == sorted(batches, reverse=True)
    words = page.locator("table[data-points] th", has_text="layout")
    words.locator("button").click()
    layouts = column(page, words.evaluate("(head) => head.cellIndex"))
    assert layouts == sorted(layouts)
    assert head.get_attribute("aria-sort") is None


def test_tables_are_filtered_and_say_how_many_rows_are_left(opened: Any) -> None:
    found = large_frontier(30, 1)
    page = opened([found]).page
    wanted = found[4].parallelism.short()
    page.get_by_label("Filter the table: Every point").fill(wanted.lower())
    count = sum(item.parallelism.short() == wanted for item in found)
    assert 0 < count < len(found)
    assert page.locator(".filter [role=status]").first.inner_text() == f"{count} of 30 rows"
    assert len(column(page, 0)) == count


def axis_title(page: Page) -> list[str]:
    return page.locator("figure.chart").first.locator(".role-axis-title text").all_text_contents()


def test_axes_are_chosen(opened: Any) -> None:
    found = frontier()
    page = opened([found]).page
    figure = page.locator("figure.chart").first
    assert "$ per million output tokens" in axis_title(page)
    before = figure.locator(".mark-symbol path").first.bounding_box()
    figure.get_by_label("Vertical scale").select_option(label="linear")
    linear = figure.locator(".mark-symbol path").first.bounding_box()
    figure.get_by_label("Speed axis").select_option(label="log")
    moved = figure.locator(".mark-symbol path").nth(2).bounding_box()
    figure.get_by_label("Vertical axis").select_option(label="output tokens/s/GPU")
    assert "output tokens/s/GPU" in axis_title(page)
    assert before["y"] != linear["y"] or before["x"] != moved["x"]
    # Pointing still finds the point, wherever it is now.
    point_at(page, figure.locator(".mark-symbol path").nth(1))
    assert details(page)["speed"] == f"{found[1].speed_tokens_per_s:.4g} output tokens/s/user"


def test_curves_are_hidden_and_shown(opened: Any) -> None:
    one, other = large_frontier(5, 1), large_frontier(7, 2)
    page = opened([one, other]).page
    marks = page.locator("figure.chart").first.locator(".mark-symbol path")
    assert marks.count() == 13
    page.get_by_role("checkbox", name="number 1").uncheck()
    # Without the ring, which was around a point that is hidden now.
    assert marks.count() == 7
    page.get_by_role("checkbox", name="number 1").check()
    assert marks.count() == 13


def test_bars_turn_to_the_scenario_of_the_point(opened: Any) -> None:
    page = opened([large_frontier(5, 1), large_frontier(7, 2)]).page
    bars = page.locator("figure.chart").nth(1)
    assert bars.locator(".mark-rect path").count() == 5 * 4 + 1
    page.locator("table[data-points] tbody tr").nth(6).hover()
    assert bars.locator(".mark-rect path").count() == 7 * 4 + 1
    assert bars.locator("select").input_value() == "1"


def test_the_whole_of_a_bar_is_the_time_per_output_token(opened: Any) -> None:
    found = frontier()
    page = opened([found]).page
    bars = page.locator("figure.chart").nth(1).locator(".mark-rect path")
    heights = bars.evaluate_all("(paths) => paths.map((path) => path.getBBox().height)")
    # The last is the frame around the point that is meant, as high as the time.
    assert len(heights) == 4 * len(found) + 1
    for at, item in enumerate(found):
        own = sum(heights[4 * at : 4 * at + 4])
        assert own / heights[-1] == pytest.approx(item.latency_s / found[0].latency_s, rel=1e-3)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_is_that_of_the_system_or_the_one_that_is_chosen(scheme: str, opened: Any) -> None:
    page = opened([frontier()], color_scheme=scheme).page

    def back() -> int:
        shown = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return int(shown.split("(")[1].split(",")[0])

    assert (back() < 128) is (scheme == "dark")
    page.get_by_role("button", name="Theme").click()
    assert page.get_by_role("button", name="Theme").inner_text() == "Theme: light"
    assert back() > 128
    page.get_by_role("button", name="Theme").click()
    assert back() < 128
    label = page.locator("figure.chart .role-axis-title text").first.get_attribute("fill")
    assert label == page.evaluate("getComputedStyle(document.body).color")


def test_commands_are_copied(opened: Any) -> None:
    page = opened([frontier()]).page
    page.get_by_role("button", name="Copy the commands of 1").click()
    page.get_by_text("Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("pre.copied").first.text_content()
    assert "--tensor-parallel-size" in copied or "--tp" in copied


def test_without_scripts_the_page_is_whole(opened: Any) -> None:
    page = opened([frontier()], java_script_enabled=False).page
    for still in page.locator("figure.chart .still svg").all():
        assert still.is_visible()
    assert page.locator("table[data-points] tbody tr").count() == len(frontier())
    assert not page.locator("aside.card").is_visible()


def test_print_shows_still_pictures_and_no_controls(opened: Any) -> None:
    page = opened([frontier()], color_scheme="dark").page
    page.emulate_media(media="print")
    assert page.locator("figure.chart .still svg").first.is_visible()
    for hidden in (".live", ".choices", "aside.card", ".copy", "#theme"):
        assert not page.locator(hidden).first.is_visible()


@pytest.mark.parametrize("kind", ["frontier", "plan", "fleet_frontier", "comparison", "explanation"])
def test_narrow_screens_scroll_nothing_but_tables(kind: str, opened: Any) -> None:
    page = opened([result(kind)], viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(
    ("kind", "scheme"),
    [*((kind, "light") for kind in KINDS), ("frontier", "dark"), ("plan", "dark"), ("stopped", "dark")],
)
def test_axe_finds_nothing_serious(kind: str, scheme: str, opened: Any) -> None:
    sync_playwright = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = opened([result(kind)], color_scheme=scheme).page
    found = sync_playwright.Axe().run(page).response["violations"]
    told = [f"{each['id']}: {[node['html'][:120] for node in each['nodes'][:3]]}" for each in found]
    assert [each for each, of in zip(told, found, strict=True) if of["impact"] in ("serious", "critical")] == []


def test_the_largest_page_is_painted_within_a_second(opened: Any) -> None:
    frontiers = [large_frontier(100, seed) for seed in range(20)]
    page = opened(frontiers).page
    # The best of three: whatever else the machine does is no fault of the page.
    painted = []
    for _ in range(3):
        page.reload()
        painted.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
    assert min(painted) < FIRST_PAINT_MS
    page.locator("figure.chart .live > svg").first.wait_for()
    assert page.locator("figure.chart").first.locator(".mark-symbol path").count() == 2001


def test_a_band_and_open_regions_are_drawn(opened: Any) -> None:
    stopped = result("stopped")
    assert isinstance(stopped, Frontier)
    shown = replace(frontier(), guarantee=stopped.guarantee, status=stopped.status)
    page = opened([shown]).page
    assert page.locator("figure.chart").first.locator(".mark-rect path").count() == len(stopped.open_regions)
    page.get_by_label("Expected error").select_option(label="shown")
    assert page.locator("figure.chart").first.locator(".mark-rule.role-mark line").count() == len(frontier())
