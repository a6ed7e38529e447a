"""The screen of the terminal view, driven by keys and clicks without a terminal (Textual's pilot)."""

from collections.abc import Callable
from pathlib import Path

import pytest
from textual import events
from textual.pilot import Pilot

from pipeline.cli.watch.app import WatchApp
from pipeline.cli.watch.detail_screen import DetailScreen
from pipeline.live.store import Store
from pipeline.model.events.http_request import HttpRequest
from tests.unit.packets.test_taker import SECOND, kept, talk
from tests.unit.packets.test_taker import exchange as exchange_of
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
        grid = app.exchanges.grid
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
        grid = app.exchanges.grid
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
        grid = app.exchanges.grid
        await until(pilot, lambda: len(grid.keys) == 2)
        await pilot.press("/", *"stat", "tab", *" > ", "enter")
        bar = app.exchanges.bar
        assert bar.value == "status > "
        assert bar.display
        assert len(grid.keys) == 2
        await pilot.press(*"499", "enter")
        await until(pilot, lambda: list(grid.keys) == [2])
        assert not bar.display
        await pilot.press("escape")
        await until(pilot, lambda: len(grid.keys) == 2)


async def test_keys_act_in_the_order_in_which_they_are_typed() -> None:
    """However fast: what follows Enter is for the table, and Tab completes what stands before it."""
    app = app_of(store_of([exchange(1), exchange(2, http_response_status_code=500)]))
    async with app.run_test(size=(80, 24)) as pilot:
        grid = app.exchanges.grid
        await until(pilot, lambda: len(grid.keys) == 2)
        for key, character in (
            *(("slash", "/"), ("s", "s"), ("t", "t"), ("a", "a"), ("t", "t"), ("tab", None), ("greater_than_sign", ">")),
            *(("5", "5"), ("x", "x"), ("backspace", None), ("0", "0"), ("enter", None), ("s", "s"), ("s", "s"), ("3", "3")),
        ):
            app.post_message(events.Key(key, character))
        await until(pilot, lambda: app.endpoints.has_focus)
        assert app.exchanges.condition == "status>50"
        assert (grid.order, app.exchanges.bar.display) == (("status", True), False)


async def test_enter_shows_details_and_arrows_those_beside() -> None:
    """Esc goes back to where the cursor is now."""
    app = app_of(store_of([exchange(number) for number in range(1, 6)]))
    async with app.run_test(size=(80, 24)) as pilot:
        grid = app.exchanges.grid
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
        grid = app.exchanges.grid
        await until(pilot, lambda: len(grid.keys) == 1)
        await pilot.press("space")
        store.show([exchange(2)])
        await until(pilot, lambda: "PAUSED (1 newer)" in app.state.text)
        assert len(grid.keys) == 1
        await pilot.press("space")
        await until(pilot, lambda: len(grid.keys) == 2)


async def test_a_click_on_a_heading_sorts() -> None:
    """The largest first; again: the smallest."""
    app = app_of(store_of([exchange(number) for number in (5, 9, 1)]))
    async with app.run_test(size=(80, 24)) as pilot:
        grid = app.exchanges.grid
        await until(pilot, lambda: len(grid.keys) == 3)
        await pilot.click(grid, offset=(68, 0))
        await until(pilot, lambda: list(grid.keys) == [2, 1, 3])
        await pilot.click(grid, offset=(68, 0))
        await until(pilot, lambda: list(grid.keys) == [3, 1, 2])


async def test_an_order_begins_at_the_top() -> None:
    """Whatever row the cursor was on; a row that comes later does not take it away. Without an order it follows again."""
    store = store_of([exchange(number) for number in (5, 9, 1)])
    app = app_of(store)
    async with app.run_test(size=(80, 24)) as pilot:
        grid = app.exchanges.grid
        await until(pilot, lambda: len(grid.keys) == 3)
        await pilot.press("home", "down", "s", "r")
        await until(pilot, lambda: list(grid.keys) == [2, 1, 3])
        assert (grid.order, grid.key) == (("time", True), 2)
        store.show([exchange(20)])
        await until(pilot, lambda: list(grid.keys) == [4, 2, 1, 3])
        assert grid.key == 2
        await pilot.press("escape")
        await until(pilot, lambda: grid.key == 4)
        assert grid.follow


async def test_the_cursor_stays_on_its_endpoint_while_others_overtake_it() -> None:
    """Its numbers change meanwhile."""
    store = store_of([exchange(1, url_path="/a"), exchange(1, url_path="/a"), exchange(1, url_path="/b")])
    app = app_of(store)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        grid = app.endpoints
        await until(pilot, lambda: len(grid.keys) == 2)
        await pilot.press("down")
        store.show([exchange(2, url_path="/b"), exchange(2, url_path="/b")])
        await until(pilot, lambda: [each.requests for each in grid.keys] == [3, 2])
        assert (grid.cursor, grid.key.key) == (0, "GET shop.example/b")
        await pilot.press("s")
        await until(pilot, lambda: grid.order is not None and grid.order.column == "rate")


async def test_keys_of_the_tables_do_nothing_over_details_and_help() -> None:
    """Least of all do they end the view."""
    app = app_of(store_of([exchange(number) for number in range(1, 6)]))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.exchanges.grid.key == 5)
        for opens in ("enter", "question_mark"):
            await pilot.press(opens, "3", "tab", "f", "s", "r", "slash", "w", "space", "space")
            assert len(app.screen_stack) == 2
            await pilot.press("escape")
            assert app.exchanges.grid.has_focus


async def test_enter_on_an_endpoint_shows_its_exchanges() -> None:
    """By a filter that can be changed; Esc takes it away and leads back."""
    app = app_of(store_of([exchange(1), exchange(2), exchange(3, url_path="/other")]))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        endpoints, grid = app.endpoints, app.exchanges.grid
        await until(pilot, lambda: len(endpoints.keys) == 2)
        await pilot.press("enter")
        await until(pilot, lambda: list(grid.keys) == [1, 2])
        assert app.exchanges.bar.value.startswith('method == "GET" and host == "shop.example"')
        await pilot.press("escape")
        assert endpoints.has_focus
        await pilot.press("1")
        await until(pilot, lambda: len(grid.keys) == 3)


async def test_requests_in_progress_have_a_view_of_their_own() -> None:
    """They stand there until their exchange comes, and among the exchanges never."""
    store = store_of([HttpRequest(timestamp_ns=1, httpipe_request_id="a"), HttpRequest(timestamp_ns=2, httpipe_request_id="b")])
    app = WatchApp(view_of(store), in_progress=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        pending, grid = app.pending, app.exchanges.grid
        await until(pilot, lambda: list(pending.keys) == [1, 2])
        store.show([exchange(3, httpipe_request_id="a")])
        await until(pilot, lambda: list(pending.keys) == [2])
        await pilot.press("1")
        await until(pilot, lambda: list(grid.keys) == [3])
        assert "1 event" in app.state.text
        await pilot.press("/", *"status > 0", "enter")
        await until(pilot, lambda: "1 of 3" in app.state.text)


async def test_a_hundred_thousand_rows_cost_what_a_screen_costs() -> None:
    """Only rows on the screen are made."""
    store = store_of(*[[exchange(number) for number in range(at, at + 1000)] for at in range(0, 100_000, 1000)], keep=100_000)
    app = app_of(store)
    async with app.run_test(size=(80, 24)) as pilot:
        grid = app.exchanges.grid
        await until(pilot, lambda: len(grid.keys) == 100_000)
        await pilot.press("home", "pagedown", "end", "pageup")
        await pilot.pause(0.1)
        assert len(app.exchanges._cells) < 200


async def test_packets_are_written_of_what_is_listed_or_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the table of all, in the details of one; where none are kept it says so."""
    monkeypatch.chdir(tmp_path)
    store = store_of([exchange_of(1, SECOND), exchange_of(2, SECOND)])
    packets = kept(talk(1, 0), talk(2, 0))
    said: list[str] = []
    for view, keys in ((view_of(store, packets), ["P"]), (view_of(store, packets), ["enter", "P"]), (view_of(store), ["P"])):
        app = WatchApp(view, in_progress=False)
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda app=app: len(app.exchanges.grid.keys) == 2)  # type: ignore[misc]
            await pilot.press(*keys)
            await until(pilot, lambda app=app: bool(app._notifications))  # type: ignore[misc]
            said += [each.message.partition(": ")[2] or each.message for each in app._notifications]
        for file in tmp_path.iterdir():  # noqa: ASYNC240  a test
            file.unlink()
    assert said == ["2 events of 2 connections", "1 event of 1 connection", "packets are not kept"]


async def test_what_is_listed_is_written_in_the_form_of_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive, lines, commands; only what the filter lets through."""
    monkeypatch.chdir(tmp_path)
    app = app_of(store_of([exchange(1), exchange(2, http_response_status_code=500)]))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(app.exchanges.grid.keys) == 2)
        await pilot.press("/", *"status > 499", "enter")
        await until(pilot, lambda: list(app.exchanges.grid.keys) == [2])
        for count, key in enumerate("wWC", 1):
            await pilot.press(key)
            await until(pilot, lambda count=count: len(app._notifications) == count)  # type: ignore[misc]
        said = [each.message.partition(": ")[2] for each in app._notifications]
    assert said == ["1 exchange", "1 event", "1 exchange"]
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".har", ".jsonl", ".sh"]  # noqa: ASYNC240  a test
    assert next(tmp_path.glob("*.sh")).read_text().startswith("curl ")  # noqa: ASYNC240  a test
