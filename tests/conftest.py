"""Shape checks on, threads down, and the small networks that the tests share."""

import sys
from collections.abc import Callable
from pathlib import Path

import jaxtyping

# Before anything imports `regionwise`: its annotations are checked by beartype in every test.
sys.path.insert(0, str(Path(__file__).parent))
jaxtyping.install_import_hook("regionwise", "typechecking.checked")

import pytest  # noqa: E402
import torch  # noqa: E402

from nets import DeepTailNet, PooledNet, seeded  # noqa: E402
from running import Ran  # noqa: E402

torch.set_num_threads(1)  # the networks are small, and two threads wait for each other


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(20240430)


@pytest.fixture
def pooled_net():
    """Convolutions, ReLU [`features`], average pooling, linear: the head that CAM wants."""
    return seeded(PooledNet, seed=11)


@pytest.fixture
def deep_tail_net():
    """A signed layer [`stem`] behind which an in-place ReLU and a curved head follow."""
    return seeded(DeepTailNet, seed=12)


@pytest.fixture
def images(generator):
    """Three non-square inputs that the small networks take."""
    return torch.randn(3, 3, 16, 12, generator=generator, dtype=torch.float64)


@pytest.fixture
def run(capsys, monkeypatch, tmp_path) -> Callable[..., Ran]:
    """Run the command with arguments, in a folder of its own."""
    from regionwise.apps.cli import main  # noqa: PLC0415 - after the hook above

    monkeypatch.chdir(tmp_path)

    def command(*arguments: object) -> Ran:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(int(ended.value.code or 0), captured.out, captured.err)

    return command


@pytest.fixture(scope="session")
def s3_server():
    """An S3 server in this process; return a function from a bucket's name to its URI."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    options = f"scheme=http&endpoint_override={host}:{port}&region=us-east-1"
    yield lambda bucket: f"s3://someone:secret@{bucket}?{options}&allow_bucket_creation=true"
    server.stop()


@pytest.fixture
def bucket(s3_server, request):
    """The URI of an empty bucket of a real object store."""
    from regionwise.uris import opened  # noqa: PLC0415 - after the hook above

    uri = s3_server(f"b{abs(hash(request.node.nodeid))}")
    system, path = opened(uri)
    system.create_dir(path)
    return uri
