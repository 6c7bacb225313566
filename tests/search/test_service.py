"""The page and the API: what they answer, and what they refuse."""

from __future__ import annotations

import dataclasses
import threading
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from biodeephashing.codes import hamming
from biodeephashing.commands.search_serve import listen, service_of
from biodeephashing.commands.searching.searched_run import SearchedRun
from biodeephashing.data import load_fold
from biodeephashing.errors import UsageError, guard
from biodeephashing.search import service as service_module
from biodeephashing.search.serve import main as serve_main
from biodeephashing.search.service import MOST_BYTES, application


@pytest.fixture
def client(run, other):
    return TestClient(application(service_of([SearchedRun(run), SearchedRun(other)])), base_url="http://127.0.0.1:7860")


def png(size=(40, 30), colour=(180, 60, 60)) -> bytes:
    stream = BytesIO()
    Image.new("RGB", size, colour).save(stream, "PNG")
    return stream.getvalue()


def test_the_page_is_whole_and_loads_nothing_from_elsewhere(client):
    answer = client.get("/")
    assert answer.status_code == 200
    assert "http" not in answer.text.replace("http-equiv", "")
    policy = answer.headers["content-security-policy"]
    assert policy.count("sha256-") == 2
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in answer.headers
    assert client.get("/icon.svg").headers["content-type"].startswith("image/svg")


def test_runs_and_rows(client, run, other):
    known = client.get("/api/runs").json()
    assert [one["rule"] for one in known["runs"]] == ["bp", "fa"]
    assert known["folds"] == {"train": 32, "query": 16, "database": 32}
    found = client.get("/api/search?row=query:3&k=4").json()
    assert found["query"]["classes"] == ["grey"]
    for one, answered in zip((run, other), found["runs"], strict=True):
        distances = hamming(np.load(one.codes_file("query"))[3:4], np.load(one.codes_file("database")))[0]
        assert [item["id"] for item in answered["neighbours"]] == np.argsort(distances, kind="stable")[:4].tolist()
        assert answered["hits"] == sum(item["relevant"] for item in answered["neighbours"])


def test_a_neighbour_becomes_the_query_of_every_run(client):
    by_row, by_id = (client.get(f"/api/search?{asked}&k=5").json() for asked in ("row=database:7", "id=7&run=1"))
    assert [run["neighbours"] for run in by_row["runs"]] == [run["neighbours"] for run in by_id["runs"]]
    with Image.open(BytesIO(client.get(by_id["query"]["image"]).content)) as image:
        assert np.array_equal(np.asarray(image), np.asarray(Image.open(load_fold("TINY", "database").image(7))))


def test_an_image_that_is_sent(client, run):
    metadata = load_fold("TINY", "database")
    found = client.post("/api/search?k=1", content=metadata.image(5).read_bytes()).json()
    assert bytes.fromhex(found["runs"][0]["code"]) == np.load(run.codes_file("database"))[5].tobytes()
    assert found["runs"][0]["neighbours"][0]["distance"] == 0
    assert found["query"]["classes"] is None
    assert "40 x 30" in client.post("/api/search", content=png()).json()["query"]["note"]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("/api/search?row=query:999", 400),
        ("/api/search?row=nothing", 400),
        ("/api/search?row=query:1&k=0", 400),
        ("/api/search?row=query:1&k=201", 400),
        ("/api/search?id=999", 404),
        ("/api/search?id=1&run=2", 400),
        ("/api/search", 400),
        ("/api/image/query/16", 400),
        ("/api/image/..%2f..%2fetc%2fpasswd", 404),
        ("/api/image/etc/passwd", 404),
        ("/data/processed/TINY/split.json", 404),
        ("/docs", 404),
        ("/openapi.json", 404),
    ],
)
def test_what_is_refused(client, request_, status, home):
    answer = client.get(request_)
    assert answer.status_code == status
    assert str(home) not in answer.text
    assert len(answer.text.splitlines()) == 1


def test_another_name_is_refused(client):
    assert client.get("/api/runs", headers={"host": "evil.example"}).status_code == 400
    assert client.get("/api/runs", headers={"host": "localhost:7860"}).status_code == 200
    assert client.get("/api/runs", headers={"host": "[::1]:7860"}).status_code == 200
    assert client.get("/api/runs", headers={"host": "192.0.2.7"}).status_code == 400


def test_off_the_loopback_it_answers_to_the_name_it_was_given(run, capsys):
    client = TestClient(application(service_of([SearchedRun(run)], ["192.0.2.7"])), base_url="http://192.0.2.7:7860")
    assert client.get("/api/runs").status_code == 200
    assert client.get("/api/runs", headers={"host": "192.0.2.8"}).status_code == 400
    assert guard(lambda: serve_main(["-p", str(run), "-host", "0.0.0.0"])) == 2
    assert "0.0.0.0" in capsys.readouterr().err


def test_what_is_sent_must_be_a_small_image(client, home):
    assert client.post("/api/search", content=b"").status_code == 400
    text = client.post("/api/search", content=b"no image")
    assert text.status_code == 400
    assert str(home) not in text.text
    large = b"x" * (MOST_BYTES + 1)
    assert client.post("/api/search", content=large).status_code == 413
    assert client.post("/api/search", content=iter([large[: 2**20]] * 11)).status_code == 413  # chunked, without a length
    bomb = BytesIO()
    Image.new("1", (9000, 8000)).save(bomb, "PNG")
    refused = client.post("/api/search", content=bomb.getvalue())
    assert refused.status_code == 400
    assert "64,000,000" in refused.text


def test_too_many_at_once_are_told_to_wait(run, other, monkeypatch):
    monkeypatch.setattr(service_module, "MOST_WAITING", 0)
    served, going, begun = service_of([SearchedRun(run)]), threading.Event(), threading.Event()
    ask = served.runs[0].by_image

    def slow(body, k):
        begun.set()
        going.wait(20)
        return ask(body, k)

    slowed = dataclasses.replace(served, runs=[dataclasses.replace(served.runs[0], by_image=slow)])
    client, answers = TestClient(application(slowed), base_url="http://localhost"), []
    first = threading.Thread(target=lambda: answers.append(client.post("/api/search", content=png()).status_code))
    first.start()
    assert begun.wait(20)
    assert client.post("/api/search", content=png()).status_code == 503
    going.set()
    first.join()
    assert answers == [200]
    assert client.post("/api/search", content=png()).status_code == 200


def test_a_port_that_is_taken_names_a_free_one():
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"port {port} .*-port \d+ is free"):
            listen("127.0.0.1", port)
    with pytest.raises(UsageError, match=r"203\.0\.113\.9"):
        listen("203.0.113.9", 0)
    with pytest.raises(UsageError, match="65535"):
        listen("127.0.0.1", 99999)
