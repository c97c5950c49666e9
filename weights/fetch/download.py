"""From the Hub into the Hugging Face cache, verified before a file gets its name.

huggingface_hub lays the cache out, so that other programs find the files: blobs/ by checksum, snapshots/ by name. The
bytes come through `tokenizer.fetch`, which resumes across runs and verifies; huggingface_hub's own (2.4) does neither.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from tokenizer.fetch.atomic import write_text
from tokenizer.fetch.hub import RemoteFile, bring, explain, remote_file
from tokenizer.fetch.server import say
from tokenizer.fetch.transfer import Progress
from tokenizer.fetch.verify import right, verify
from weights.formats.folder import FORMS, check_complete, read_config, shards

OPTIONAL = (
    "generation_config.json",
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
    "chat_template.jinja",
)
OF_KIND = {  # what else there may be, by config.json's model_type
    "bert": (
        *("vocab.txt", "modules.json", "1_Pooling/config.json"),
        *("sentence_bert_config.json", "config_sentence_transformers.json"),
    ),
}
LARGEST = 200_000_000  # bytes of one of these; the largest vocabularies have 40 million


def home(repo: str) -> Path:
    """A repository's folder in the Hugging Face cache."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / ("models--" + repo.replace("/", "--"))


def cached(repo: str, vocabulary: bool = True) -> Path | None:
    """The snapshot with all that loading needs, or None: the one that main names, else any.

    Its vocabulary is needed too, unless the repository is known to have none, or `vocabulary` is False.
    """
    folder = home(repo)
    with suppress(OSError):
        snapshots = sorted((folder / "snapshots").iterdir())
        main = folder / "refs" / "main"
        if main.exists():
            snapshots = [folder / "snapshots" / main.read_text(encoding="utf-8").strip()]
        for snapshot in snapshots:
            with suppress(OSError, ValueError):
                no_vocabulary = (folder / ".no_exist" / snapshot.name / "tokenizer.json").exists()
                check_complete(snapshot, vocabulary=vocabulary and not no_vocabulary)
                return snapshot
    return None


def download(repo: str, check_config: Callable[[Path], object]) -> Path:
    """Fetches what loading needs from a repository's main revision; returns the snapshot's folder.

    config.json comes first, and `check_config` may refuse it before anything large follows. An OSError or ValueError
    says in one line what is wrong with the server, the disk or the file.
    """
    config = remote_file(repo, "config.json")
    if config is None:
        raise OSError(f"{repo} has no config.json")
    snapshot = place(config, repo, "config.json").parent
    check_config(snapshot)
    for name in (*OPTIONAL, *OF_KIND.get(str(read_config(snapshot).get("model_type")), ())):
        found = remote_file(repo, name, config.commit)
        if found is not None:
            if (found.size or 0) > LARGEST:
                raise OSError(f"{name} has {found.size:,} bytes: {repo} cannot mean that; take another model")
            place(found, repo, name)
        else:  # noted as huggingface_hub does
            absent = home(repo) / ".no_exist" / config.commit / name
            absent.parent.mkdir(parents=True, exist_ok=True)
            absent.touch()
    parts = list(weights_of(repo, config.commit))
    check_room(repo, parts)
    for name, found in parts:
        place(found, repo, name)
    check_complete(snapshot)
    main = home(repo) / "refs" / "main"
    main.parent.mkdir(parents=True, exist_ok=True)
    write_text(main, config.commit)  # last: readers of the cache see the old snapshot until the new one is complete
    return snapshot


def check_room(repo: str, files: list[tuple[str, RemoteFile]]) -> None:
    """An OSError, before the first byte comes, if the disk has no room for the files that are not there yet."""
    blobs = home(repo) / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    needed = sum(found.size or 0 for _, found in files if not (blobs / found.etag).exists())
    there = sum(part.stat().st_size for _, found in files if (part := blobs / f"{found.etag}.part").exists())
    free = shutil.disk_usage(blobs).free
    if needed - there > free:
        names = files[0][0] if len(files) == 1 else f"{files[0][0]} and {len(files) - 1} more"
        raise OSError(
            f"{names}: {needed - there:,} bytes to come, {blobs} has room for {free:,}: make room, or set HF_HOME"
        )


def weights_of(repo: str, commit: str) -> Iterator[tuple[str, RemoteFile]]:
    """The names and files that hold the weights: one, or the parts that an index names, which is fetched first."""
    for name in FORMS:
        found = remote_file(repo, name, commit)
        if found is not None:
            yield name, found
            return
        index = remote_file(repo, f"{name}.index.json", commit)
        for part in shards(place(index, repo, f"{name}.index.json")) if index else ():
            found = remote_file(repo, part, commit)
            if found is None:
                raise OSError(f"{repo} has no {part}")
            yield part, found
        if index:
            return
    raise OSError(f"{repo} has no weights; expected {' or '.join(FORMS)}")


def place(found: RemoteFile, repo: str, name: str) -> Path:
    """Fetches a file into blobs/ unless it is there, and lets huggingface_hub give it its name in the snapshot."""
    from huggingface_hub import hf_hub_download

    blob = home(repo) / "blobs" / found.etag
    if not right(blob, found.checksum, found.size):
        check_room(repo, [(name, found)])
        lock = home(repo).parent / ".locks" / home(repo).name / f"{found.etag}.lock"  # huggingface_hub's own
        try:
            bring(found, blob, lock, progress_bar(name))
        except (OSError, ValueError) as error:
            raise (OSError if isinstance(error, OSError) else ValueError)(f"{name}: {error}") from None
    named = home(repo) / "snapshots" / found.commit / name
    if named.exists() and not named.samefile(blob):  # an older copy, or a copy where links are not allowed
        named.unlink(missing_ok=True)
    try:
        named = Path(hf_hub_download(repo, name, revision=found.commit))
    except Exception as error:  # from huggingface_hub, or from the client that its version is built on
        raise OSError(f"{name}: {explain(error, found.url)}") from None
    if not blob.exists() or not named.samefile(blob):  # a copy, or what the Hub sent after changing its mind
        verify(named, found.checksum, found.size)
    if found.checksum is None:
        say(f"{name} is unverified: {repo} names no checksum for it, so only its size was compared")
    return named


def progress_bar(name: str) -> Progress:
    """A progress bar on stderr, only on a terminal; it is called with the bytes so far, and in all if known."""
    from tqdm import tqdm

    bar = tqdm(desc=name, unit="B", unit_scale=True, disable=None)

    def on_progress(done: int, total: int | None) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done == total:
            bar.close()

    return on_progress
