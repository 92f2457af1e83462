"""Code over PyGithub, whose URL is its own: `patch=True` redirects it, and nothing is passed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from github import Auth, Github, UnknownObjectException

from asyncly.srvmocker import JsonResponse, Match, MockRoute, MockService, SequenceResponse

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.mock_network("https://api.github.com", patch=True),
    pytest.mark.usefixtures("mock_network"),
]
REPOSITORY = JsonResponse(
    {"full_name": "cats/meow", "url": "https://api.github.com/repos/cats/meow"}
)
NEXT_PAGE = '<https://api.github.com/repos/cats/meow/issues?page=2>; rel="next"'


def titles_of_bugs(github: Github, repository: str) -> list[str]:
    """Return the titles of the open bugs of a repository: what is tested here."""
    issues = github.get_repo(repository).get_issues(state="open", labels=["bug"])
    return [issue.title for issue in issues]


@pytest.fixture
def mock_routes() -> list[MockRoute]:
    second = Match(query={"page": "2"})
    return [
        MockRoute("GET", "/repos/{owner}/{name}", "repository"),
        MockRoute("GET", "/repos/{owner}/{name}/issues", "issues on page 2", second),
        MockRoute("GET", "/repos/{owner}/{name}/issues", "issues"),
    ]


@pytest.fixture
def github() -> Iterator[Github]:
    with Github(auth=Auth.Token("s3cret"), seconds_between_requests=0) as github:
        yield github


def test_all_pages_are_read(mock_service: MockService, github: Github) -> None:
    mock_service.register("repository", REPOSITORY)
    mock_service.register(
        "issues", JsonResponse([{"title": "It barks"}], headers={"Link": NEXT_PAGE})
    )
    mock_service.register("issues on page 2", JsonResponse([{"title": "It sleeps"}]))

    assert titles_of_bugs(github, "cats/meow") == ["It barks", "It sleeps"]

    mock_service.assert_called(
        "issues",
        times=1,
        query={"state": "open", "labels": "bug"},
        headers={"Authorization": "token s3cret"},
    )
    url = mock_service.last_call("issues on page 2").url
    assert str(url) == "https://api.github.com/repos/cats/meow/issues?page=2"


def test_an_error_of_the_server_is_tried_again(mock_service: MockService, github: Github) -> None:
    mock_service.register("repository", SequenceResponse([JsonResponse({}, 502), REPOSITORY]))
    mock_service.register("issues", JsonResponse([]))

    assert titles_of_bugs(github, "cats/meow") == []

    mock_service.assert_called("repository", times=2)


def test_a_repository_that_there_is_not(mock_service: MockService, github: Github) -> None:
    mock_service.register("repository", JsonResponse({"message": "Not Found"}, 404))

    with pytest.raises(UnknownObjectException, match="Not Found"):
        titles_of_bugs(github, "cats/woof")
