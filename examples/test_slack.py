"""Code over slack_sdk, whose URL is its own: both of its clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from asyncly.srvmocker import JsonResponse, MockNetwork, MockRoute, MockService

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.mock_network("https://slack.com")
POSTED = JsonResponse({"ok": True, "ts": "1700000000.000100"})


def announce(client: WebClient, release: str) -> str:
    """Announce a release; return the id of the message: what is tested here."""
    answer = client.chat_postMessage(channel="#releases", text=f"{release} is out")
    return str(answer["ts"])


async def announce_async(client: AsyncWebClient, release: str) -> str:
    """Do the same in a loop."""
    answer = await client.chat_postMessage(channel="#releases", text=f"{release} is out")
    return str(answer["ts"])


@pytest.fixture
def mock_routes() -> list[MockRoute]:
    return [MockRoute("POST", "/api/chat.postMessage", "post")]


@pytest.mark.mock_network(patch=True)  # the client takes no connection: it uses urllib
@pytest.mark.usefixtures("mock_network")
def test_a_release_is_announced(mock_service: MockService) -> None:
    mock_service.register("post", POSTED)

    assert announce(WebClient(token="xoxb-1"), "Meow 2.0") == "1700000000.000100"

    mock_service.assert_called(
        "post",
        times=1,
        json={"channel": "#releases", "text": "Meow 2.0 is out"},
        headers={"Authorization": "Bearer xoxb-1"},
    )


@pytest.fixture
async def client(mock_network: MockNetwork) -> AsyncIterator[AsyncWebClient]:
    async with aiohttp.ClientSession(connector=mock_network.aiohttp_connector()) as session:
        yield AsyncWebClient(token="xoxb-1", session=session)


async def test_the_async_client_takes_a_session(
    client: AsyncWebClient, mock_service: MockService
) -> None:
    mock_service.register("post", POSTED)

    assert await announce_async(client, "Meow 2.0") == "1700000000.000100"

    url = mock_service.last_call("post").url
    assert str(url) == "https://slack.com/api/chat.postMessage"


async def test_an_unknown_channel(client: AsyncWebClient, mock_service: MockService) -> None:
    mock_service.register("post", JsonResponse({"ok": False, "error": "channel_not_found"}))

    with pytest.raises(SlackApiError, match="channel_not_found"):
        await announce_async(client, "Meow 2.0")
