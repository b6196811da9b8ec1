"""What a stream has brought, against a node that keeps exactly what it is told."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from gateway.rpc.shared import SEEN, SMALL, SharedContents
from mailgate.job import File, Job
from tests.contract.builders import accepted


def job(number: int, octets: int = SMALL, files: tuple[int, ...] = ()) -> Job:
    """A job with content `number`, and files."""
    (made,) = accepted(0).jobs
    content = bytes([number]) * octets
    return replace(
        made,
        content=content,
        content_id=sha256(content).digest(),
        files=tuple(File(sha256(b"file" + bytes([each])).digest(), bytes([each]) * 1000) for each in files),
    )


def test_the_second_job_brings_it_and_the_third_names_it():
    """The first is sent whole: it may be the only one."""
    shared = SharedContents()
    first, second, third = [shared.share(job(1)) for _ in range(3)]
    assert (first.content, first.bring) == (b"", ())
    assert second.content == job(1).content_id
    assert second.bring == ((job(1).content_id, job(1).content),)
    assert third == second._replace(bring=())


def test_what_is_small_goes_along():
    """Its name would be as long."""
    shared = SharedContents()
    assert {shared.share(job(1, SMALL - 1)).content for _ in range(3)} == {b""}


def test_files_are_brought_with_the_first_job():
    """They have a digest because they are shared."""
    shared = SharedContents()
    first, second = shared.share(job(1, files=(1, 2))), shared.share(job(2, files=(2, 3)))
    assert [data[0] for _, data in first.bring] == [1, 2]
    assert [data[0] for _, data in second.bring] == [3]
    assert len(second.files) == 2


def test_contents_of_long_ago_are_not_remembered():
    """Seeing a mail's content once must cost nothing for ever."""
    shared = SharedContents()
    shared.share(job(255))
    for number in range(SEEN):
        shared.share(replace(job(0), content_id=number.to_bytes(32, "big")))
    assert shared.share(job(255)).content == b""


@given(st.lists(st.tuples(st.integers(0, 9), st.lists(st.integers(0, 5), max_size=3, unique=True), st.booleans()), max_size=80))
def test_a_node_always_has_what_a_job_names(jobs):
    """Whatever is brought and forgotten, in frames of any length; and it never keeps more than the bound and one frame."""
    shared = SharedContents(3000)
    node: dict[bytes, bytes] = {}
    for number, files, ends_frame in jobs:
        sent = job(number, files=tuple(files))
        sharing = shared.share(sent)
        node.update(sharing.bring)
        if sharing.content:
            assert node[sharing.content] == sent.content
        assert [node[digest] for digest in sharing.files] == [file.data for file in sent.files]
        if ends_frame:
            for digest in shared.forget():
                del node[digest]
            assert sum(map(len, node.values())) <= 3000
