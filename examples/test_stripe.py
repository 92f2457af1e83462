"""Code over stripe, whose URL and certificates are its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
import stripe

from asyncly.srvmocker import JsonResponse, MockNetwork, MockRoute, MockService, SequenceResponse

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.mock_network("https://api.stripe.com")
INTENT = JsonResponse({"id": "pi_1", "object": "payment_intent", "status": "succeeded"})
DECLINED = JsonResponse(
    {"error": {"type": "card_error", "code": "card_declined", "message": "No money."}}, 402
)


def charge(client: stripe.StripeClient, cents: int) -> str:
    """Charge a card; return the id of the payment: what is tested here."""
    params: stripe.params.PaymentIntentCreateParams = {"amount": cents, "currency": "eur"}
    return client.v1.payment_intents.create(params).id


@pytest.fixture
def mock_routes() -> list[MockRoute]:
    return [MockRoute("POST", "/v1/payment_intents", "create")]


@pytest.fixture
def client(mock_network: MockNetwork) -> Iterator[stripe.StripeClient]:
    with mock_network.mount(requests.Session()) as session:
        http = stripe.RequestsClient(session=session)
        yield stripe.StripeClient("sk_test_1", http_client=http, max_network_retries=1)


def test_a_card_is_charged(client: stripe.StripeClient, mock_service: MockService) -> None:
    mock_service.register("create", INTENT)

    assert charge(client, 1999) == "pi_1"

    mock_service.assert_called(
        "create",
        times=1,
        form={"amount": "1999", "currency": "eur"},
        headers={"Authorization": "Bearer sk_test_1"},
    )
    url = mock_service.last_call("create").url
    assert str(url) == "https://api.stripe.com/v1/payment_intents"


def test_a_card_is_not_charged_twice(
    client: stripe.StripeClient, mock_service: MockService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second attempt has the key of the first one, so that the server knows it again."""
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0)
    mock_service.register("create", SequenceResponse([JsonResponse({}, 500), INTENT]))

    assert charge(client, 1999) == "pi_1"

    first, second = mock_service.get_calls("create")
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]


def test_a_card_that_is_declined(client: stripe.StripeClient, mock_service: MockService) -> None:
    mock_service.register("create", DECLINED)

    with pytest.raises(stripe.CardError, match="No money"):
        charge(client, 1999)


@pytest.mark.mock_network(patch=True)  # its async client takes no transport
@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # how stripe calls httpx
async def test_the_async_client(
    mock_network: MockNetwork, mock_service: MockService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe, "ca_bundle_path", mock_network.ca_pem)
    mock_service.register("create", INTENT)
    http = stripe.HTTPXClient()
    client = stripe.StripeClient("sk_test_1", http_client=http)

    intent = await client.v1.payment_intents.create_async({"amount": 1999, "currency": "eur"})
    await http.close_async()  # type: ignore[no-untyped-call]

    assert intent.id == "pi_1"
    mock_service.assert_called("create", times=1, form={"amount": "1999", "currency": "eur"})
