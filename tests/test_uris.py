"""What is shown of a URI, and of what a file system says: no password, key or signature."""

from __future__ import annotations

import pytest

from regionwise.data.sources import find_sources
from regionwise.data.stored import ObjectImage
from regionwise.errors import RegionwiseError
from regionwise.uris import opened, reason, shown

SECRETS = [
    "s3://me:WORD@b/x.png",
    "s3://me:WO@RD@b/x.png",
    "s3://AKIA:WO/RD@b/x.png",
    "s3://AKIA:W/WO/R/RD@b/x.png",
    "s3://me:WO?RD@b/x.png",
    "s3://me:WO%2FRD@b/x.png",
    "https://h/x.parquet?X-Amz-Signature=WORD",
    "https://h/x.parquet?sig=WORD&region=eu",
    "s3://b/x.png?secret_key=WORD&scheme=http",
    "s3://b/x.png?endpoint_override=me:WORD@h:1",
    "abfs://:WORD@account/x.png?WORD",
]
NONSENSE = [
    *("s3://b/x.png?nonsense=WORD", "s3://", "foo://me:WORD@b/x.png", "gs://me:WORD@/x"),
    *("s3://b/x?endpoint_override=%zz", "zip://x.png::/nowhere.zip", "http://127.0.0.1:1/x.png"),
]


@pytest.mark.parametrize("uri", SECRETS)
def test_no_secret_is_shown(uri):
    errors = [f"cannot open '{uri}'", f"no route to: {uri.removeprefix('https://h')} (Caused by x)"]
    told = [shown(uri), repr(ObjectImage("x.png", uri, 3)), *map(reason, map(OSError, errors))]
    for text in told:
        assert "WO" not in text
        assert "RD" not in text
    assert shown(uri) == shown(shown(uri))


@pytest.mark.parametrize(
    "uri",
    [
        "s3://b/a@2x.png",
        "s3://b:9000/x?scheme=http&endpoint_override=h:9000&region=eu&allow_delayed_open=true",
        "file:///home/a@b/c.png",
        "/home/me:word@b/x.png",
        "memory://x",
    ],
)
def test_what_is_no_secret_stays(uri):
    assert shown(uri) == uri


@pytest.mark.parametrize("uri", NONSENSE)
def test_a_uri_that_makes_no_sense_is_refused_in_one_line(uri):
    with pytest.raises(RegionwiseError) as caught:
        find_sources(uri)
    assert "\n" not in str(caught.value)
    assert "WORD" not in str(caught.value)


@pytest.mark.parametrize("given", ["", "?retry_limit_seconds=7", "?scheme=http"])
def test_google_is_not_waited_for_a_quarter_of_an_hour(monkeypatch, given):
    asked = []
    monkeypatch.setattr("regionwise.uris._system", lambda uri: asked.append(uri) or (None, "b"))
    opened(f"gs://b/x.png{given}")
    assert asked[0].count("retry_limit_seconds=") == 1
    assert ("=7" in asked[0]) == ("=7" in given)
