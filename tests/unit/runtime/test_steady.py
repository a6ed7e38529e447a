"""Time-outs of decoders survive a clock that is set."""

from pipeline.runtime.steady import HOLD_SECS, SteadyNow

HOUR_NS = 3600 * 10**9


def test_a_step_forward_is_held_back_for_a_while_and_told() -> None:
    """Nothing is overdue because somebody set the clock; ten minutes later the new time counts."""
    now = [10**18, 0.0]
    told: list[float] = []
    steady = SteadyNow(lambda: int(now[0]), lambda: now[1], told.append)

    def pass_secs(secs: float, step_ns: int = 0) -> int:
        now[0] += secs * 1e9 + step_ns
        now[1] += secs
        return steady()

    assert pass_secs(1) == now[0]
    assert pass_secs(1, HOUR_NS) == now[0] - HOUR_NS
    assert told == [3600.0]
    assert pass_secs(1) == now[0] - HOUR_NS
    assert pass_secs(HOLD_SECS) == now[0]
    assert pass_secs(1, -HOUR_NS) == now[0]
    assert told == [3600.0, -3600.0]
    assert pass_secs(1, 1_000_000) == now[0]
    assert len(told) == 2
