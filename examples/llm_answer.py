"""A language model's answer, streamed with the `openai` package and kept when the stream breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import openai

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from openai.types.chat import ChatCompletionMessageParam

__all__ = ["AnswerBrokenError", "Assistant"]

_GO_ON = "You were interrupted. Go on exactly where you stopped, and repeat nothing."


class AnswerBrokenError(Exception):
    """The answer broke off once too often.

    Attributes:
        text: what came of it.
    """

    def __init__(self, text: str) -> None:
        super().__init__(f"the answer broke off after {len(text)} characters")
        self.text = text


class Assistant:
    """Asks a model and gives its answer while it comes.

    Args:
        client: the client of the `openai` package; it stays the caller's to close. It tries
            again by itself as long as no answer has begun, as its `max_retries` says.
        model: the model's name.
        streams: how many streams one answer may take.
    """

    def __init__(self, client: openai.AsyncOpenAI, *, model: str, streams: int = 3) -> None:
        self._client = client
        self._model = model
        self._streams = streams

    async def ask(self, question: str) -> AsyncGenerator[str, None]:
        """Yield the pieces of the answer as they come; close it to hang up before its end.

        What has been yielded stays said: when a stream breaks off, the model is shown the
        question and the beginning of its answer, and is asked for the rest.

        Raises:
            AnswerBrokenError: the last stream broke off too.
            openai.APIError: the service refuses, or cannot be reached.
        """
        text = ""
        for _ in range(self._streams):
            messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": question}]
            if text:
                messages.append({"role": "assistant", "content": text})
                messages.append({"role": "user", "content": _GO_ON})
            stream = await self._client.chat.completions.create(
                model=self._model, messages=messages, stream=True
            )
            try:
                async with stream:
                    async for chunk in stream:
                        choice = chunk.choices[0]
                        if choice.delta.content:
                            text += choice.delta.content
                            yield choice.delta.content
                        if choice.finish_reason:
                            return
            except openai.APIConnectionError:
                pass
            # A stream that ends without a reason to finish broke off, too: to the `openai`
            # package an end in order is an end, with or without a [DONE].
        raise AnswerBrokenError(text)
