"""Forms, as real clients send them and as broken ones do."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import aiohttp
import dirty_equals
import httpx
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from asyncly.srvmocker import (
    FormFile,
    Match,
    MockRoute,
    RawResponse,
    RecordedRequest,
    start_service,
)

if TYPE_CHECKING:
    from pathlib import Path

BINARY = b"\x00\xff\r\n\r\n--not-a-boundary\r\nContent-Type: fake\r\n\r\n\n\r tail\r\n"
NAMES = ["plain.png", "größe ✓.png", 'say "hi".png', "semi;colon=1.png", "back\\slash.png"]

Upload = Callable[[str, str], Awaitable[None]]


async def _aiohttp(url: str, filename: str) -> None:
    form = aiohttp.FormData()
    form.add_field("title", "Grüße\r\n2")
    form.add_field("tag", "a")
    form.add_field("tag", "b")
    form.add_field("photo", BINARY, filename=filename, content_type="image/png")
    async with aiohttp.ClientSession() as session, session.post(url, data=form) as response:
        assert response.status == 200


async def _httpx(url: str, filename: str) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.post(
            url,
            data={"title": "Grüße\r\n2", "tag": ["a", "b"]},
            files={"photo": (filename, BINARY, "image/png")},
        )
    assert response.status_code == 200


async def _requests(url: str, filename: str) -> None:
    def send() -> None:
        response = requests.post(
            url,
            data=[("title", "Grüße\r\n2".encode()), ("tag", "a"), ("tag", "b")],
            files={"photo": (filename, BINARY, "image/png")},
            timeout=10,
        )
        assert response.status_code == 200

    await asyncio.to_thread(send)


async def _curl(url: str, filename: str, folder: Path) -> None:
    path = folder / "upload.bin"
    path.write_bytes(BINARY)
    quoted = filename.replace("\\", "\\\\").replace('"', '\\"')
    process = await asyncio.create_subprocess_exec(
        *("curl", "-sS", "-f", "-o", str(folder / "answer"), url),
        *("-F", "title=Grüße\r\n2", "-F", "tag=a", "-F", "tag=b"),
        *("-F", f'photo=@{path};filename="{quoted}";type=image/png'),
    )
    assert await process.wait() == 0


def _spellings(client: str, filename: str) -> tuple[str, ...]:
    """Return how a client may write a filename: the record keeps it as sent."""
    if client == "aiohttp":
        return (quote(filename),)
    return filename, filename.replace('"', "%22")  # as browsers do (WHATWG, HTML §4.10.21.8)


@pytest.mark.parametrize("filename", NAMES)
@pytest.mark.parametrize("client", ["aiohttp", "httpx", "requests", "curl"])
async def test_an_upload_arrives_as_the_client_meant_it(
    client: str, filename: str, tmp_path: Path
) -> None:
    if client == "curl" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    async with start_service([MockRoute("POST", "/upload", "upload")]) as service:
        service.register("upload", RawResponse("ok"))
        url = str(service.url / "upload")
        if client == "curl":
            await _curl(url, filename, tmp_path)
        else:
            send: Upload = {"aiohttp": _aiohttp, "httpx": _httpx, "requests": _requests}[client]
            await send(url, filename)
        call = service.last_call("upload")
        form = call.form
        assert form.getall("title") == ["Grüße\r\n2"]
        assert form.getall("tag") == ["a", "b"]
        photo = form["photo"]
        assert isinstance(photo, FormFile)
        assert photo.body == BINARY
        assert photo.content_type == "image/png"
        assert photo.filename in _spellings(client, filename)
        service.assert_called(
            "upload", form={"title": "Grüße\r\n2", "tag": ["a", "b"], "photo": photo}
        )


@pytest.mark.parametrize("client", ["aiohttp", "httpx", "requests"])
async def test_a_urlencoded_form_arrives_as_the_client_meant_it(client: str) -> None:
    fields = {"qty": "3", "note": "a&b=c d+e%20", "name": "Grüße ✓", "empty": ""}
    async with start_service([MockRoute("POST", "/order", "order")]) as service:
        service.register("order", RawResponse("ok"))
        url = str(service.url / "order")
        if client == "aiohttp":
            async with aiohttp.ClientSession() as session, session.post(url, data=fields) as answer:
                assert answer.status == 200
        elif client == "httpx":
            async with httpx.AsyncClient() as http:
                await http.post(url, data=fields)
        else:
            await asyncio.to_thread(requests.post, url, data=fields, timeout=10)
        service.assert_called("order", form=fields)
        service.assert_called("order", form={**fields, "qty": 3})


def urlencoded(body: str, charset: str = "") -> RecordedRequest:
    kind = "application/x-www-form-urlencoded" + charset
    return RecordedRequest("POST", "/", {"Content-Type": kind}, body.encode())


def multipart(body: bytes, boundary: str = "X") -> RecordedRequest:
    kind = f"multipart/form-data; boundary={boundary}"
    return RecordedRequest("POST", "/", {"Content-Type": kind}, body)


def parts(*heads_and_contents: tuple[str, bytes]) -> RecordedRequest:
    lines = [b"--X\r\n" + h.encode() + b"\r\n\r\n" + c + b"\r\n" for h, c in heads_and_contents]
    return multipart(b"".join(lines) + b"--X--\r\n")


FILE = 'Content-Disposition: form-data; name="photo"; filename="a.png"\r\nContent-Type: image/png'


@pytest.mark.parametrize(
    ("form", "request_"),
    [
        ({"a": "1"}, urlencoded("a=1")),
        ({"a": 1}, urlencoded("a=1")),
        ({"a": 1.5, "b": None}, urlencoded("a=1.5")),
        ({"a": ["1", 2]}, urlencoded("a=1&a=2")),
        (MultiDict([("a", "1"), ("a", "2")]), urlencoded("a=1&a=2")),
        ({"a": re.compile(r"\d+"), "b": str}, urlencoded("a=1&b=")),
        ({"a": dirty_equals.IsStr(regex="1")}, urlencoded("a=1")),
        ({"a": ""}, urlencoded("a")),
        ({"a": "ü"}, urlencoded("a=%C3%BC", "; charset=utf-8")),
        ({}, urlencoded("")),
        ({"photo": FormFile("a.png", "image/png", b"\x89")}, parts((FILE, b"\x89"))),
        ({"photo": FormFile}, parts((FILE, b"\x89"))),
        (
            {"photo": FormFile(str, re.compile("image/.*"), lambda body: body)},  # type: ignore[arg-type]
            parts((FILE, b"\x89")),
        ),
        ({"a": ""}, parts(('Content-Disposition: form-data; name="a"', b""))),
        ({"a": "1"}, parts(("content-disposition:form-data;name=a", b"1"))),
        (
            {"a": "ü"},
            parts(
                (
                    'Content-Disposition: form-data; name="a"\r\n'
                    "Content-Type: text/plain; charset=latin-1",
                    b"\xfc",
                )
            ),
        ),
        (
            {"a": "ü"},
            parts(
                (
                    'Content-Disposition: form-data; name="a"\r\n'
                    "Content-Type: text/plain; charset=no-such; name=not-a-file",
                    "ü".encode(),
                )
            ),
        ),
        (
            {"ü": FormFile("ü.txt", "text/plain", b"")},
            parts(
                (
                    "Content-Disposition: form-data; name*=utf-8''%C3%BC; "
                    "filename*=utf-8''%C3%BC.txt",
                    b"",
                )
            ),
        ),
        ({"a": "1"}, multipart(b'preamble\r\n--X\r\nContent-Disposition: form-data; name="a"'
                               b"\r\n\r\n1\r\n--X--\r\nepilogue")),
        ({}, multipart(b"--X--\r\n")),
    ],
)  # fmt: skip
def test_a_form_matches(form: Any, request_: RecordedRequest) -> None:
    assert Match(form=form).explain(request_) == ()


@pytest.mark.parametrize(
    ("form", "request_", "lines"),
    [
        ({"a": "1"}, urlencoded("a=2"), ["form.a: expected '1', got '2'"]),
        ({"a": 1}, urlencoded("a=2"), ["form.a: expected '1', got '2'"]),
        ({"a": "1"}, urlencoded("b=1"), ["form.a: missing, expected '1'", "form.b: unexpected, got '1'"]),
        ({"a": "1"}, urlencoded(""), ["form.a: missing, expected '1'"]),
        ({}, urlencoded("a=1"), ["form.a: unexpected, got '1'"]),
        ({"a": None}, urlencoded("a=1"), ["form.a: unexpected, got '1'"]),
        ({"a": "1"}, urlencoded("a=1&a=2"), ["form.a[1]: unexpected, got '2'"]),
        ({"a": ["1", "2"]}, urlencoded("a=2&a=1"), ["form.a[0]: expected '1', got '2'", "form.a[1]: expected '2', got '1'"]),
        ({"a": ["1", "2"]}, urlencoded("a=1"), ["form.a[1]: missing, expected '2'"]),
        ({"a": ["1", "2"]}, urlencoded("b=1"), ["form.a: missing, expected ['1', '2']", "form.b: unexpected, got '1'"]),
        (
            {"photo": FormFile("b.png", "image/gif", b"\x88")},
            parts((FILE, b"\x89")),
            [
                "form.photo.filename: expected 'b.png', got 'a.png'",
                "form.photo.content_type: expected 'image/gif', got 'image/png'",
                "form.photo.body: expected b'\\x88', got b'\\x89'",
            ],
        ),
        (
            {"photo": "\x89"},
            parts((FILE, b"\x89")),
            [
                "form.photo: expected '\\x89', got FormFile(filename='a.png', "
                "content_type='image/png', body=b'\\x89')"
            ],
        ),
        (
            {"a": "1"},
            RecordedRequest("POST", "/", {}, b"a=1"),
            ["form: missing, expected {'a': '1'} (the body is no form: no Content-Type)"],
        ),
        (
            {"a": "1"},
            multipart(b"--X\r\nbroken"),
            [
                "form: expected {'a': '1'}, got b'--X\\r\\nbroken' "
                "(the multipart body does not end with its boundary 'X')"
            ],
        ),
        (
            {"a": "1"},
            RecordedRequest("POST", "/", {"Content-Type": "multipart/form-data"}, b"--X--"),
            [
                "form: expected {'a': '1'}, got b'--X--' "
                "(multipart/form-data without a boundary in its Content-Type)"
            ],
        ),
        (
            {"a": "1"},
            multipart(b"--X\r\nContent-Disposition: form-data\r\n--X--"),
            [
                "form: expected {'a': '1'}, got b'--X\\r\\nContent-Disposition: form-data\\r\\n--X--' "
                "(a part of the multipart body has no blank line: "
                "b'\\r\\nContent-Disposition: form-data')"
            ],
        ),
        (
            {"a": "1"},
            parts(("Content-Disposition: form-data", b"1")),
            [
                "form: expected {'a': '1'}, got b'--X\\r\\nContent-Disposition: form-data\\r\\n\\r\\n1"
                "\\r\\n--X--\\r\\n' (a part of the multipart body has no name: "
                "b'\\r\\nContent-Disposition: form-data')"
            ],
        ),
        (
            {"a": "1"},
            parts(('Content-Disposition: form-data; name="a"', b"\xff")),
            [
                "form: expected {'a': '1'}, got "
                "b'--X\\r\\nContent-Disposition: form-data; name=\"a\"\\r\\n\\r\\n\\xff\\r\\n--X--\\r\\n' "
                "('utf-8' codec can't decode byte 0xff in position 0: invalid start byte)"
            ],
        ),
        (
            {"a": "1"},
            urlencoded("\udcff".encode("utf-8", "surrogatepass").decode("latin-1"), "; charset=hex"),
            ["form.a: missing, expected '1'", "form.í³¿: unexpected, got ''"],
        ),
    ],
)  # fmt: skip
def test_a_form_does_not_match_and_says_why(
    form: Any, request_: RecordedRequest, lines: list[str]
) -> None:
    assert list(map(str, Match(form=form).explain(request_))) == lines


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "", "multipart/mixed"])
def test_a_body_of_another_type_has_no_form(kind: str) -> None:
    request = RecordedRequest("POST", "/", {"Content-Type": kind} if kind else {}, b"a=1")
    assert len(request.form) == 0


@given(st.lists(st.tuples(st.text(min_size=1, max_size=5), st.text(max_size=5)), max_size=5))
def test_what_the_standard_library_encodes_is_read_back(fields: list[tuple[str, str]]) -> None:
    fields = [(k, v) for k, v in fields if not re.search("[\ud800-\udfff]", k + v)]
    form = urlencoded(urlencode(fields)).form
    assert list(form.items()) == fields
    assert Match(form=MultiDict(fields)).matches(urlencoded(urlencode(fields)))


@given(st.lists(st.tuples(st.text("ab", min_size=1), st.binary(max_size=12)), max_size=4))
def test_the_bytes_of_every_part_are_read_back(files: list[tuple[str, bytes]]) -> None:
    request = parts(
        *(
            (f'Content-Disposition: form-data; name="{name}"; filename="f"', content)
            for name, content in files
            if b"--X" not in content
        )
    )
    expected = [(name, content) for name, content in files if b"--X" not in content]
    assert [
        (name, value.body) for name, value in request.form.items() if isinstance(value, FormFile)
    ] == expected
