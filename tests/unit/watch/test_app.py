"""The screen of the terminal view, driven by keys and clicks without a terminal (Textual's pilot)."""

from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from pipeline.cli.watch.app import WatchApp
from pipeline.cli.watch.detail_screen import DetailScreen
from pipeline.cli.watch.filter_bar import FilterBar
from pipeline.cli.watch.grid import Grid
from pipeline.live.store import Store
from tests.unit.watch.watch_events import exchange, store_of, view_of

pytestmark = pytest.mark.anyio


async def until(pilot: Pilot[None], holds: Callable[[], bool]) -> None:
    """It holds; the test's time-out ends it where it never does."""
    while not holds():
        await pilot.pause(0.02)


def app_of(store: Store) -> WatchApp:
    """A screen of a run that stands still."""
    return WatchApp(view_of(store), in_progress=False)


async def test_it_follows_the_newest_until_somebody_looks_up() -> None:
    """End follows again."""
    store = store_of([exchange(number) for number in range(1, 101)])
    app = app_of(store)
    async with app.run_test(size=(80, 24)) as pilot:
        grid = app.query_one("#exchanges", Grid)
        await until(pilot, lambda: grid.key == 100)
        store.show([exchange(101)])
        await until(pilot, lambda: grid.key == 101)
        await pilot.press("up", "up")
        store.show([exchange(102)])
        await until(pilot, lambda: len(grid.keys) == 102)
        assert grid.key == 99
        await pilot.press("end")
        store.show([exchange(103)])
        await until(pilot, lambda: grid.key == 103)


async def test_the_cursor_stays_on_its_row_while_the_store_drops_others() -> None:
    """And the rows around it do not move."""
    store = store_of(*[[exchange(number)] for number in range(1, 201)], keep=200)
    app = app_of(store)
    async with app.run_test(size=(80, 24)) as pilot:
        grid = app.query_one("#exchanges", Grid)
        await until(pilot, lambda: grid.key == 200)
        await pilot.press(*["up"] * 50)
        distance = grid.cursor - round(grid.scroll_y)
        for number in range(201, 251):
            store.show([exchange(number)])
        await until(pilot, lambda: grid.keys[-1] == 250)
        assert grid.key == 150
        assert grid.cursor - round(grid.scroll_y) == distance


async def test_a_wrong_filter_says_why_and_changes_nothing() -> None:
    """A right one filters; Esc takes it away."""
    app = app_of(store_of([exchange(1), exchange(2, http_response_status_code=500)]))
    async with app.run_test(size=(80, 24)) as pilot:
        grid = app.query_one("#exchanges", Grid)
        await until(pilot, lambda: len(grid.keys) == 2)
        await pilot.press("/", *"stat", "tab", *" > ", "enter")
        bar = app.query_one(FilterBar)
        assert bar.value == "status > "
        assert bar.display
        assert len(grid.keys) == 2
        await pilot.press(*"499", "enter")
        await until(pilot, lambda: list(grid.keys) == [2])
        assert not bar.display
        await pilot.press("escape")
        await until(pilot, lambda: len(grid.keys) == 2)


async def test_enter_shows_details_and_arrows_those_beside() -> None:
    """Esc goes back to where the cursor is now."""
    app = app_of(store_of([exchange(number) for number in range(1, 6)]))
    async with app.run_test(size=(80, 24)) as pilot:
        grid = app.query_one("#exchanges", Grid)
        await until(pilot, lambda: grid.key == 5)
        await pilot.press("enter")
        assert isinstance(app.screen, DetailScreen)
        await pilot.press("left", "left")
        assert grid.key == 3
        await pilot.press("escape")
        assert not isinstance(app.screen, DetailScreen)


async def test_a_pause_holds_what_is_shown() -> None:
    """What came meanwhile is there afterwards."""
    store = store_of([exchange(1)])
    app = app_of(store)
    async with app.run_test(size=(80, 24)) as pilot:
        grid = app.query_one("#exchanges", Grid)
        await until(pilot, lambda: len(grid.keys) == 1)
        await pilot.press("space")
        store.show([exchange(2)])
        await until(pilot, lambda: "PAUSED (1 newer)" in app._state_text())
        assert len(grid.keys) == 1
        await pilot.press("space")
        await until(pilot, lambda: len(grid.keys) == 2)


async def test_a_click_on_a_heading_sorts() -> None:
    """The largest first; again: the smallest."""
    app = app_of(store_of([exchange(number) for number in (5, 9, 1)]))
    async with app.run_test(size=(80, 24)) as pilot:
        grid = app.query_one("#exchanges", Grid)
        await until(pilot, lambda: len(grid.keys) == 3)
        await pilot.click(grid, offset=(68, 0))
        await until(pilot, lambda: list(grid.keys) == [2, 1, 3])
        await pilot.click(grid, offset=(68, 0))
        await until(pilot, lambda: list(grid.keys) == [3, 1, 2])


async def test_enter_on_an_endpoint_shows_its_exchanges() -> None:
    """By a filter that can be changed."""
    app = app_of(store_of([exchange(1), exchange(2), exchange(3, url_path="/other")]))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        endpoints, grid = app.query_one("#endpoints", Grid), app.query_one("#exchanges", Grid)
        await until(pilot, lambda: len(endpoints.keys) == 2)
        await pilot.press("enter")
        await until(pilot, lambda: list(grid.keys) == [1, 2])
        assert app.query_one(FilterBar).value.startswith('method == "GET" and host == "shop.example"')


async def test_a_hundred_thousand_rows_cost_what_a_screen_costs() -> None:
    """Only rows on the screen are made."""
    store = store_of(*[[exchange(number) for number in range(at, at + 1000)] for at in range(0, 100_000, 1000)], keep=100_000)
    app = app_of(store)
    async with app.run_test(size=(80, 24)) as pilot:
        grid = app.query_one("#exchanges", Grid)
        await until(pilot, lambda: len(grid.keys) == 100_000)
        await pilot.press("home", "pagedown", "end", "pageup")
        await pilot.pause(0.1)
        assert len(app._cells) < 200
