"""The tests that the author of `Assistant` writes: the real `openai` package on a real socket."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import openai
import pytest
from llm_answer import AnswerBrokenError, Assistant

from asyncly.srvmocker import (
    LiveStream,
    MockRoute,
    MockService,
    RawResponse,
    SequenceResponse,
    SseResponse,
    start_service,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asyncly.srvmocker import LiveConnection

ROUTES = [MockRoute("POST", "/v1/chat/completions", "chat")]
QUESTION = {"role": "user", "content": "What does the cat say?"}


def piece(content: str | None, finish_reason: str | None = None) -> dict[str, Any]:
    """Return what one event of the stream holds."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "whiskers-1",
        "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish_reason}],
    }


END = [piece(None, "stop"), "[DONE]"]


@pytest.fixture
async def service() -> AsyncIterator[MockService]:
    async with start_service(ROUTES) as service:
        yield service


@pytest.fixture
async def assistant(service: MockService) -> AsyncIterator[Assistant]:
    url = str(service.url / "v1")
    async with openai.AsyncOpenAI(base_url=url, api_key="s3cret", timeout=5) as client:
        yield Assistant(client, model="whiskers-1")


async def read(answer: AsyncIterator[str]) -> str:
    return "".join([text async for text in answer])


async def first(answer: AsyncIterator[str], live: LiveStream) -> tuple[LiveConnection, str]:
    """Begin to read an answer; return its stream and its first piece."""
    reading = asyncio.ensure_future(anext(answer))
    conn = await live.accept()
    await conn.send(piece("Me"))
    return conn, await reading


async def test_an_answer_is_read_to_its_end(service: MockService, assistant: Assistant) -> None:
    service.register("chat", SseResponse([piece("Me"), piece("ow"), *END]))

    assert await read(assistant.ask(QUESTION["content"])) == "Meow"

    service.assert_called(
        "chat",
        times=1,
        headers={"Authorization": "Bearer s3cret"},
        json={"model": "whiskers-1", "stream": True, "messages": [QUESTION]},
    )


async def test_the_first_token_is_shown_before_the_second_is_sent(
    service: MockService, assistant: Assistant
) -> None:
    live = LiveStream("sse")
    service.register("chat", live)
    answer = assistant.ask(QUESTION["content"])

    conn, shown = await first(answer, live)
    assert shown == "Me"
    await conn.send(piece("ow"))
    assert await anext(answer) == "ow"
    for event in END:
        await conn.send(event)
    assert await read(answer) == ""


@pytest.mark.parametrize("how", ["reset", "closed in order"])
async def test_a_stream_that_breaks_off_is_gone_on_with(
    service: MockService, assistant: Assistant, how: str
) -> None:
    live = LiveStream("sse")
    service.register("chat", SequenceResponse([live, SseResponse([piece("ow"), *END])]))
    answer = assistant.ask(QUESTION["content"])

    conn, shown = await first(answer, live)
    if how == "reset":
        conn.reset()
    else:
        await conn.close()

    assert shown + await read(answer) == "Meow"
    question, beginning, _ = service.last_call("chat").json()["messages"]
    assert question == QUESTION
    assert beginning == {"role": "assistant", "content": "Me"}


async def test_what_came_is_kept_when_no_stream_comes_to_its_end(
    service: MockService, assistant: Assistant
) -> None:
    service.register("chat", SseResponse([piece("Purr ")]))

    with pytest.raises(AnswerBrokenError) as caught:
        await read(assistant.ask(QUESTION["content"]))

    assert caught.value.text == "Purr Purr Purr "
    service.assert_called("chat", times=3)


async def test_a_busy_service_is_asked_again_by_the_package_itself(
    service: MockService, assistant: Assistant
) -> None:
    # The package takes a Retry-After of 0 for none and pauses for half a second or so.
    busy = RawResponse(status=503, headers={"Retry-After-Ms": "1"})
    service.register("chat", SequenceResponse([busy, SseResponse([piece("Meow"), *END])]))

    assert await read(assistant.ask(QUESTION["content"])) == "Meow"

    service.assert_called("chat", times=1, headers={"X-Stainless-Retry-Count": "1"})
    service.assert_called("chat", times=2)


async def test_a_reader_who_leaves_hangs_up(service: MockService, assistant: Assistant) -> None:
    live = LiveStream("sse")
    service.register("chat", live)

    async with aclosing(assistant.ask(QUESTION["content"])) as answer:
        conn, _ = await first(answer, live)

    assert (await conn.closed()).by == "client"
