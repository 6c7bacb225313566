"""What a cluster must be before anything is handed out: safe, reachable, of one version and with one project root."""

import os
import sys
from dataclasses import replace

import pytest

from biodeephashing.errors import RunError, UsageError
from biodeephashing.executors import EXECUTORS, LocalPool, cluster, open_executor
from biodeephashing.executors._probe import Facts, check_agreement, look, shared_word
from biodeephashing.executors.cluster import check_tracking, open_cluster, secure
from biodeephashing.settings import CommonSettings
from biodeephashing.settings.units import HERE, Placement
from biodeephashing.tracking import URI_VARIABLE

FACTS = Facts("a", "3.11.7", "0.1", "c0ffee", "2.15.0", "/home", 10, "word", True)


@pytest.fixture
def environment(tmp_path):
    """The environment of a user who has not met Ray, which the test may change."""
    before = dict(os.environ)
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", URI_VARIABLE):
        os.environ.pop(name, None)
    os.environ["HOME"] = str(tmp_path)
    yield os.environ
    os.environ.clear()
    os.environ.update(before)


def test_every_executor_is_there_and_the_local_one_needs_no_other():
    assert set(EXECUTORS) == {"local", "ray"}
    with open_executor(replace(HERE, jobs=2), CommonSettings(device="cpu")) as executor:
        assert isinstance(executor, LocalPool)
        assert (executor.jobs, list(executor.places)) == (2, [])


@pytest.mark.parametrize("mode", [None, 0o644])
def test_a_local_cluster_has_a_token_that_only_its_user_reads(environment, tmp_path, mode, recwarn):
    token = tmp_path / ".ray" / "auth_token"
    if mode:
        token.parent.mkdir()
        token.write_text("known")
        token.chmod(mode)
    secure("local")
    assert token.stat().st_mode & 0o777 == 0o600
    assert token.read_text() == "known" if mode else len(token.read_text()) == 64
    assert environment["RAY_AUTH_MODE"] == "token"
    assert environment["RAY_USAGE_STATS_ENABLED"] == "0"
    assert environment["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"
    assert not recwarn


def test_a_cluster_that_asks_for_no_token_is_warned_of(environment):
    environment["RAY_AUTH_MODE"] = "disabled"
    with pytest.warns(UserWarning, match="asks for no token"):
        secure("local")


def test_nothing_answers(environment, project_home):
    with pytest.warns(UserWarning, match="no token"), pytest.raises(RunError, match=r"no cluster answers at 127\.0\.0\.1:1 "):
        secure("127.0.0.1:1")
    assert list(project_home.iterdir()) == []


def test_without_ray_a_sentence_names_the_extra(environment, project_home, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r'pip install "biodeephashing\[cluster\]"'), open_cluster(Placement("ray")):
        pass
    assert list(project_home.iterdir()) == []


def test_nodes_that_agree_are_taken(recwarn):
    check_agreement(FACTS, [FACTS, replace(FACTS, host="b", free=0, commit="unknown")], "word")
    check_tracking([FACTS, FACTS])
    assert not recwarn


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"python": "3.11.8"}, r"Python is 3\.11\.7 here, but 3\.11\.8 on b"),
        ({"package": "0.2"}, r"biodeephashing is 0\.1 here, but 0\.2 on b"),
        ({"commit": "c0ffee-dirty"}, "the commit of biodeephashing is c0ffee here, but c0ffee-dirty on b"),
        ({"torch": "2.8.0"}, r"PyTorch is 2\.15\.0 here, but 2\.8\.0 on b"),
        ({"word": ""}, "b: the project root /home is not the same folder there"),
        ({"word": "of another home"}, "b: the project root /home"),
    ],
)
def test_nodes_that_do_not_fit_are_refused_by_name(changes, message):
    with pytest.raises(RunError, match=message):
        check_agreement(FACTS, [FACTS, replace(FACTS, host="b", **changes)], "word")


def test_locks_that_do_not_reach_a_node_are_warned_of():
    with pytest.warns(UserWarning, match="do not reach b"):
        check_agreement(FACTS, [FACTS, replace(FACTS, host="b", locks_reach=False)], "word")


@pytest.mark.parametrize(("uri", "taken"), [("", False), ("sqlite:///a.db", False), ("https://example.org", True)])
def test_several_hosts_do_not_write_to_a_store_in_a_file(environment, uri, taken):
    environment[URI_VARIABLE] = uri
    several = [FACTS, replace(FACTS, host="b")]
    if taken:
        check_tracking(several)
        return
    with pytest.raises(UsageError, match="a, b cannot write to one MLflow store in a file"):
        check_tracking(several)


def test_a_password_does_not_travel(environment, monkeypatch):
    environment[URI_VARIABLE] = "https://ann:secret@example.org"
    monkeypatch.setattr(cluster, "find_spec", lambda name: name)  # with Ray or without
    with pytest.raises(UsageError, match="holds a password") as refused, open_cluster(Placement("ray", address="head:6379")):
        pass
    assert "secret" not in str(refused.value)


def test_a_node_with_the_same_root_reads_the_word_and_sees_the_lock(project_home):
    with shared_word() as (file, word):
        facts = look(file)
    assert (facts.word, facts.locks_reach, facts.home) == (word, True, str(project_home))
    assert facts.free > 0
    assert look(file).word == ""
    assert list((project_home / "experiments").iterdir()) == []
