"""Answers and delays that are drawn, and drawn again alike from the same seed."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from asyncly.srvmocker import (
    BaseMockResponse,
    ChanceResponse,
    DisconnectResponse,
    JsonResponse,
    LatencyResponse,
    MockService,
    RawResponse,
    SequenceResponse,
    start_service,
)

from .conftest import ROUTES

if TYPE_CHECKING:
    from aiohttp import web

HALF = [(1, RawResponse("a")), (1.0, RawResponse("b"))]


async def texts(session: aiohttp.ClientSession, times: int, path: str = "/fact") -> str:
    found = []
    for _ in range(times):
        async with session.get(path) as answer:
            found.append(await answer.text())
    return "".join(found)


class Slept(list[float]):
    """What is asked of `asyncio.sleep` by a latency, which then takes no time."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> Slept:
    slept = Slept()
    fake = type("FakeAsyncio", (), {"sleep": staticmethod(slept)})
    monkeypatch.setattr("asyncly.srvmocker.responses.timeout.asyncio", fake)
    return slept


async def test_the_same_seed_draws_the_same(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    runs = []
    for seed in (7, 7, 8):
        service.register("fact", ChanceResponse(HALF, seed=seed))
        runs.append(await texts(session, 30))
    assert runs[0] == runs[1] != runs[2]
    service.reset()
    assert await texts(session, 30) == runs[2]
    assert set(runs[0]) == {"a", "b"}


async def test_each_registration_draws_for_itself(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    chance = ChanceResponse(HALF, seed=1)
    async with start_service(ROUTES) as second, aiohttp.ClientSession(second.url) as other:
        service.register("fact", chance)
        second.register("fact", chance)
        assert await texts(session, 20) == await texts(other, 20)


async def test_a_chosen_seed_is_shown_and_repeats_the_run(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    chance = ChanceResponse(HALF)
    assert repr(chance).endswith(f", seed={chance.seed})")
    assert chance != ChanceResponse(HALF)
    assert chance == ChanceResponse(HALF, seed=chance.seed)
    service.register("fact", chance)
    run = await texts(session, 30)
    service.register("fact", ChanceResponse(HALF, seed=chance.seed))
    assert await texts(session, 30) == run


async def test_weights_weigh(service: MockService, session: aiohttp.ClientSession) -> None:
    choices = [(0.2, RawResponse("a")), (0.8, RawResponse("b"))]
    service.register("fact", ChanceResponse(choices, seed=0))
    drawn = Counter(await texts(session, 400))
    assert 50 < drawn["a"] < 110
    assert drawn.total() == 400


async def test_faults_may_be_drawn(service: MockService, session: aiohttp.ClientSession) -> None:
    steps = SequenceResponse([RawResponse("one"), RawResponse("two")], "cycle")
    service.register("create", ChanceResponse([(1, DisconnectResponse()), (1, steps)], seed=3))
    seen = []
    for _ in range(12):
        try:
            async with session.post("/orders") as answer:
                seen.append(await answer.text())
        except aiohttp.ServerDisconnectedError:
            seen.append("gone")
    answers = [item for item in seen if item != "gone"]
    assert 0 < len(answers) < 12
    assert answers == (["one", "two"] * 12)[: len(answers)]


@pytest.mark.parametrize(
    ("choices", "error", "text"),
    [
        ([], ValueError, r"at least one \(weight, response\), got none"),
        ([RawResponse("a")], TypeError, r"takes pairs such as \(0\.2, RawResponse"),
        ([(0, RawResponse("a"))], ValueError, "a weight is a number above 0, got 0"),
        ([(-1, RawResponse("a"))], ValueError, "got -1"),
        ([(math.inf, RawResponse("a"))], ValueError, "got inf"),
        ([(math.nan, RawResponse("a"))], ValueError, "got nan"),
        ([("1", RawResponse("a"))], TypeError, "a weight is a number above 0, such as 0.2"),
        ([(True, RawResponse("a"))], TypeError, "got True"),
        ([(1, "a")], TypeError, "ChanceResponse takes a response, got 'a'"),
    ],
)
def test_choices_that_are_none_are_refused(choices: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        ChanceResponse(choices)


def test_a_seed_is_a_whole_number() -> None:
    with pytest.raises(TypeError, match="seed= takes a whole number, got 'x'"):
        ChanceResponse(HALF, seed="x")  # type: ignore[arg-type]


async def test_a_range_of_latencies_is_drawn_from_a_seed(
    service: MockService, session: aiohttp.ClientSession, slept: Slept
) -> None:
    late = LatencyResponse(RawResponse("x"), (0.01, 0.03), seed=5)
    service.register("fact", late)
    service.register("create", late)
    await texts(session, 10)
    for _ in range(10):
        async with session.post("/orders") as answer:
            await answer.read()
    assert slept[:10] == slept[10:]
    assert len(set(slept)) == 10
    assert all(0.01 <= seconds <= 0.03 for seconds in slept)


async def test_a_latency_may_depend_on_the_request(
    service: MockService, session: aiohttp.ClientSession, slept: Slept
) -> None:
    def seconds(request: web.Request) -> float:
        return float(request.query["page"]) / 1000

    service.register("fact", LatencyResponse(RawResponse("x"), seconds))
    for page in (2, 1, 3):
        await texts(session, 1, f"/fact?page={page}")
    assert slept == [0.002, 0.001, 0.003]


@pytest.mark.parametrize(("returned", "text"), [(None, "None"), (-1, "-1"), ("1", "'1'")])
async def test_a_latency_that_is_no_number_is_an_error(
    service: MockService, session: aiohttp.ClientSession, returned: Any, text: str
) -> None:
    service.register("fact", LatencyResponse(RawResponse("x"), lambda request: returned))
    assert "the lambda must return seconds" in await texts(session, 1)
    (error,) = service.errors
    assert str(error).endswith(f"got {text}")


@pytest.mark.parametrize(
    ("latency", "seed", "error", "text"),
    [
        ((1,), None, TypeError, r"takes \(low, high\) in seconds"),
        ((2, 1), None, ValueError, r"the lower one first, got \(2, 1\)"),
        ((-1, 1), None, ValueError, "from 0 up, got -1"),
        ((0, math.inf), None, ValueError, "from 0 up, got inf"),
        ((0, "1"), None, TypeError, "latency takes seconds, such as 0.5, got '1'"),
        ("1", None, TypeError, "latency takes seconds, such as 0.5, got '1'"),
        (0.5, 7, ValueError, r"seed=7 belongs to a latency of \(low, high\); 0.5 draws nothing"),
        ((0, 1), "x", TypeError, "seed= takes a whole number"),
    ],
)
def test_latencies_that_are_none_are_refused(
    latency: Any, seed: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        LatencyResponse(RawResponse("x"), latency, seed)


async def test_a_place_in_a_sequence_is_kept_at_any_depth(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    def steps() -> SequenceResponse:
        return SequenceResponse([RawResponse("a"), RawResponse("b")], "last")

    inner = LatencyResponse(steps(), 0)
    service.register("fact", SequenceResponse([inner, LatencyResponse(steps(), 0), inner], "cycle"))
    service.register("blob", inner)
    # Two equal sequences have a place each; one that stands there twice has one.
    assert await texts(session, 4) == "aabb"
    async with session.put("/blobs/x") as answer:
        assert await answer.text() == "a"


async def test_one_sequence_twice_in_a_tree_has_one_place(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    shared = SequenceResponse([RawResponse(letter) for letter in "abcd"])
    tree: list[BaseMockResponse] = [shared, LatencyResponse(shared, 0)]
    service.register("fact", SequenceResponse(tree, "cycle"))
    assert await texts(session, 4) == "abcd"
    service.reset()
    assert await texts(session, 2) == "ab"


async def test_attempts_may_mix_faults_delays_and_answers(service: MockService) -> None:
    service.register(
        "create",
        SequenceResponse(
            [
                DisconnectResponse(),
                LatencyResponse(JsonResponse({}), 60),
                JsonResponse({}, 503),
                JsonResponse({"id": 1}, 201),
            ]
        ),
    )
    seen: list[object] = []
    async with aiohttp.ClientSession(
        service.url, timeout=aiohttp.ClientTimeout(total=0.1)
    ) as session:
        for _ in range(4):
            try:
                async with session.post("/orders") as answer:
                    seen.append(answer.status)
            except (TimeoutError, aiohttp.ClientError) as error:
                seen.append(type(error).__name__)
    assert seen == ["ServerDisconnectedError", "TimeoutError", 503, 201]
