"""Every option of a training run, as frozen dataclasses; the command line, the help and run.json follow from them."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

import tyro

DATA_HELP = "CSV, TSV, JSON lines, Parquet or plain text, also compressed; a URL; - for standard input."
DEFAULT_MODEL = "auto"
DEFAULT_MODELS = {  # where no model is named
    "labelled texts": DEFAULT_MODEL,
    "pairs of sentences": "transformer_seq2seq",
    "pairs of short texts": "lstm_seq2seq",
    "texts alone": "causal_lm",
}
TASK_MODELS = {  # where a task is named and no model
    "classification": DEFAULT_MODEL,
    "seq2seq": "transformer_seq2seq",
    "language_model": "causal_lm",
    "autoencoding": "text_vae",
}


def _shown_as(metavar: str) -> Any:
    """How the help shows an option whose default is nothing in particular; its text says what happens then."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint="")


OptionalFile = Annotated[str | None, _shown_as("FILE")]
OptionalFolder = Annotated[str | None, _shown_as("FOLDER")]
OptionalName = Annotated[str | None, _shown_as("NAME")]
OptionalFloat = Annotated[float | None, _shown_as("FLOAT")]
OptionalInt = Annotated[int | None, _shown_as("INT")]
Names = Annotated[tuple[str, ...], _shown_as("NAME ...")]


@dataclass(frozen=True)
class DataOptions:
    """Where the texts come from."""

    dev: OptionalFile = None
    """File to choose the best epoch on; without it, a stratified share of the training file."""
    test: OptionalFile = None
    """File to score the finished model on; never used to choose anything."""
    text_column: Names = ()
    """Column of the text, found by name or content if not given; several are joined."""
    label_column: Names = ()
    """Column of the label, found by name or content if not given; several are columns of 0 and 1, a label each."""
    label_separator: OptionalName = None
    """What stands between the labels of a text that may have several, such as "|"."""
    text_separator: str = " "
    """What stands between the values of several text columns."""
    dev_fraction: float = 0.1
    """Share of the training file held out where no --dev is given; equal texts stay on one side."""


@dataclass(frozen=True)
class TextOptions:
    """How a text becomes tokens."""

    vocabulary: int = 10_000
    """Number of token ids: the most frequent tokens, with padding and unknown among them."""
    max_length: OptionalInt = None
    """Tokens of a text that the model sees, from its start; default: the longest training text, at most 256."""
    lower: bool = True
    """Lower-case the texts."""
    keep_punctuation: bool = False
    """Make every punctuation character a token instead of leaving it out."""
    char_level: bool = False
    """Take characters as tokens instead of words."""
    vectors: OptionalFile = None
    """Pre-trained word vectors in GloVe or fastText text format; sets the embedding's dimension."""


@dataclass(frozen=True)
class OptimizationOptions:
    """How weights are found, whatever the task."""

    epochs: int = 20
    """Passes over the training rows, at most; early stopping may end sooner."""
    learning_rate: float = 1e-3
    """Highest learning rate of Adam."""
    schedule: Literal["constant", "linear", "cosine", "inverse_sqrt"] = "constant"
    """Course of the learning rate after warm-up: as it is, down to zero at the last epoch (linear, cosine), or down
    with the root of the steps."""
    warmup: float = 0.0
    """Share of all steps in which the learning rate rises from zero."""
    weight_decay: float = 0.0
    """Decoupled weight decay (AdamW); embeddings, biases and normalisation are left out."""
    clip_norm: float = 1.0
    """Limit of the gradient's global norm; 0 for none."""
    label_smoothing: float = 0.0
    """Probability spread evenly over all classes, or the whole vocabulary, in the target."""
    patience: int = 3
    """Epochs without a better dev score (or equal score and lower loss) before training ends."""
    mixed_precision: bool = False
    """Compute in 16 bits where the device is faster for it; the export stays float32."""
    jit: bool = False
    """Compile the training step with XLA: for TPU and GPU; on a CPU it is mostly slower."""
    seed: int = 0
    """Seed of split, weights, order and dropout: same seed, same model; auto needs the same time, too."""
    checkpoint_seconds: float = 60.0
    """Save the state for --resume this often within an epoch, and after each epoch; 0: only after each epoch."""
    tensorboard: OptionalFolder = None
    """Folder for TensorBoard logs."""


@dataclass(frozen=True)
class TrainingOptions(OptimizationOptions):
    """How the weights are found."""

    batch_size: int = 64
    """Rows in a step; rows of like length go together."""
    class_weights: bool = False
    """Weigh each class by the inverse of its frequency."""
    refit: bool = False
    """Once everything is chosen on the dev rows, train again on training and dev rows together."""


@dataclass(frozen=True)
class DecisionOptions:
    """When to answer."""

    calibrate: bool = True
    """Scale the scores on the dev rows so that probabilities are honest (temperature scaling); mixtures always are."""
    min_precision: OptionalFloat = None
    """Abstain from answers that would be right less often than this, class by class, as measured on the dev rows."""
    out_of_scope: OptionalFile = None
    """File of texts that belong to no class: how many of them the model would abstain from is measured."""


@dataclass(frozen=True)
class DeviceOptions:
    """What it is computed on."""

    backend: Literal["tensorflow", "jax", "torch"] = "tensorflow"
    """Keras backend that trains; the export is written by TensorFlow in any case."""
    devices: OptionalInt = None
    """Number of GPUs (without a GPU, of virtual CPU devices) that share each batch of a classifier; default: all GPUs.
    Other models, and PyTorch, train on one."""


@dataclass(frozen=True)
class StartOptions:
    """What the weights start from."""

    from_model: Annotated[str | None, tyro.conf.arg(name="from", metavar="FOLDER", help_behavior_hint="")] = None
    """Start from this earlier model's tokenizer and weights (fine-tuning): models/NAME."""
    freeze: Names = ()
    """Layers to leave as they are, by name or the start of it: embedding, recurrent_1, ..."""


@dataclass(frozen=True)
class OutputOptions:
    """Where the model goes."""

    name: OptionalName = None
    """Name of the model's folder; default: the data file's name."""
    models: str = "models"
    """Folder in which models are put."""
    overwrite: bool = False
    """Replace a model of the same name."""
    new_version: bool = False
    """Keep the SavedModels of a model of the same name and add this one under the next number."""
    texts: bool = True
    """Show texts in the report; --no-texts leaves them out."""


@dataclass(frozen=True)
class PairOptions:
    """Where the pairs come from."""

    dev: OptionalFile = None
    """File to choose the best epoch on; without it, a share of the training file."""
    test: OptionalFile = None
    """File to score the finished model on; never used to choose anything."""
    source_column: OptionalName = None
    """Column of the texts to read, found by name if not given."""
    target_column: OptionalName = None
    """Column of the texts to write, found by name if not given."""
    dev_fraction: float = 0.1
    """Share of the training file held out where no --dev is given; equal sources stay on one side."""


TokenizerChoice = Literal["auto", "characters", "words", "subwords"]


@dataclass(frozen=True)
class PairTextOptions:
    """How texts become tokens, and tokens texts."""

    source_tokenizer: TokenizerChoice = "auto"
    """Tokens of the source: characters, words, or subwords (SentencePiece); auto goes by the texts."""
    target_tokenizer: TokenizerChoice = "auto"
    """Tokens of the target, likewise."""
    joint: Literal["auto", "yes", "no"] = "auto"
    """One vocabulary for both sides; auto: where both are of one kind and share most characters."""
    vocabulary: OptionalInt = None
    """Number of token ids, of each vocabulary; default: subwords by the size of the data, else all that occur."""
    subword_sampling: OptionalFloat = None
    """Draw subwords for training anew in each epoch, by probability to this power (Kudo 2018): 0.3; default: no."""
    max_length: OptionalInt = None
    """Source tokens that the model sees, from the start; default: the longest training source, at most 256. Pairs are
    not trained on where the target has more tokens than that, and than 256."""


@dataclass(frozen=True)
class TokenTrainingOptions(OptimizationOptions):
    """How the weights of a model are found that writes, token by token."""

    minutes: OptionalFloat = None
    """Minutes after which training ends with the best weights so far; default: no limit."""
    batch_tokens: int = 2048
    """Tokens in a step, on the side that has more; rows of like lengths go together."""
    accumulate: int = 1
    """Steps whose gradients are added up before the weights change: for large batches in little memory."""
    average_epochs: float = 1.0
    """Use the moving average of the weights over about this many epochs, at first fewer; 0 for the last weights."""


@dataclass(frozen=True)
class PairTrainingOptions(TokenTrainingOptions):
    """How the weights are found."""

    epochs: int = 40
    """Passes over the training rows, at most; early stopping may end sooner."""
    schedule: Literal["constant", "linear", "cosine", "inverse_sqrt"] = "inverse_sqrt"
    """Course of the learning rate after warm-up: as it is, down to zero at the last epoch (linear, cosine), or down
    with the root of the steps."""
    warmup: float = 0.1
    """Share of all steps in which the learning rate rises from zero."""
    label_smoothing: float = 0.1
    """Probability spread evenly over all classes, or the whole vocabulary, in the target."""
    patience: int = 5
    """Epochs without a better dev score (or equal score and lower loss) before training ends."""
    measure: Literal["auto", "exact_match", "chrf", "bleu"] = "auto"
    """What the best epoch is found by, of greedily written dev texts; auto: chrF of subwords, else exact match."""
    dev_rows: int = 1000
    """Dev rows that are written after each epoch, at most."""


@dataclass(frozen=True)
class WritingOptions:
    """How the exported model writes."""

    beam: int = 4
    """Outputs in sight of the beam search that is compiled into the export."""
    length_penalty: float = 0.6
    """Of the beam search: 0 favours short outputs, 1 long ones (Wu et al. 2016, equation 14)."""
    coverage_penalty: float = 0.0
    """Of the beam search: above 0, outputs that look at all of the source are preferred (likewise)."""
    copy_unknown: bool = True
    """Put the source's word, or character, that is attended to most in the place of an unknown one."""
    xla: bool = True
    """Export greedy_xla and beam_xla, which are faster where the loader can compile."""


@dataclass(frozen=True)
class PlainTextOptions:
    """Where the texts come from."""

    dev: OptionalFile = None
    """File to choose the best epoch on; without it, a share of the training file."""
    test: OptionalFile = None
    """File to score the finished model on; never used to choose anything."""
    text_column: Names = ()
    """Column of the text, found by name or content if not given; several are joined."""
    text_separator: str = " "
    """What stands between the values of several text columns."""
    dev_fraction: float = 0.1
    """Share of the training file held out where no --dev is given; equal texts stay on one side."""


@dataclass(frozen=True)
class TextTokenOptions:
    """How texts become tokens, and tokens texts."""

    tokenizer: TokenizerChoice = "auto"
    """Tokens: characters, words, or subwords (SentencePiece); auto goes by the texts."""
    vocabulary: OptionalInt = None
    """Number of token ids; default: of subwords by the size of the data, else all that occur twice."""
    context: OptionalInt = None
    """Tokens in sight; default: the longest training text, at most 256."""
    packed: Literal["auto", "yes", "no"] = "auto"
    """Join the texts to one, in their order, and cut it by the context; auto: where the file is a plain text."""


@dataclass(frozen=True)
class TextTrainingOptions(TokenTrainingOptions):
    """How the weights are found."""

    epochs: int = 30
    """Passes over the training rows, at most; early stopping may end sooner."""
    average_epochs: float = 0.5
    """Use the moving average of the weights over about this many epochs, at first fewer; 0 for the last weights."""
    schedule: Literal["constant", "linear", "cosine", "inverse_sqrt"] = "cosine"
    """Course of the learning rate after warm-up: as it is, down to zero at the last epoch (linear, cosine), or down
    with the root of the steps."""
    warmup: float = 0.05
    """Share of all steps in which the learning rate rises from zero."""
    samples: int = 1000
    """Texts that are drawn from the finished model and judged; 0: none."""


@dataclass(frozen=True)
class BaseConfig:
    """What the options of all tasks share."""

    train: str
    model: str
    preset: str | None

    @classmethod
    def groups(cls) -> dict[str, type]:
        """The groups of options, by the name of the field."""
        return {field.name: field.default_factory for field in dataclasses.fields(cls) if field.name not in _NO_GROUPS}  # type: ignore[misc]

    def flat(self) -> dict[str, Any]:
        """All options by name, as --config takes them; what JSON can say only, and that has no word for infinity."""
        values: dict[str, Any] = {"train": self.train, "model": self.model, "preset": self.preset}
        for group in dataclasses.fields(self):
            part = getattr(self, group.name)
            if dataclasses.is_dataclass(part):
                values.update(dataclasses.asdict(part))  # type: ignore[arg-type]
        for name, value in values.items():
            if isinstance(value, tuple):
                values[name] = list(value)
            elif isinstance(value, float) and math.isinf(value):
                values[name] = str(value)
        return values

    def sources(self) -> dict[str, str]:
        """Files, addresses or "-" that the run reads its rows from, by the name of the option."""
        values = self.flat()
        return {name: values[name] for name in SOURCES if values.get(name)}

    def with_sources(self, **sources: str) -> Self:
        """The same options with other places to read from, of those in `sources`."""
        changed: dict[str, Any] = {"train": sources["train"]} if "train" in sources else {}
        for group in self.groups():
            part = getattr(self, group)
            own = {field.name for field in dataclasses.fields(part)}
            changed[group] = dataclasses.replace(part, **{name: sources[name] for name in own & sources.keys()})
        return dataclasses.replace(self, **changed)


SOURCES = ("train", "dev", "test", "out_of_scope")
_NO_GROUPS = ("train", "model", "preset", "architecture")


@dataclass(frozen=True)
class RunConfig(BaseConfig):
    """Everything that decides what the training of a classifier does; saved with the model as run.json."""

    data: DataOptions = field(default_factory=DataOptions)
    text: TextOptions = field(default_factory=TextOptions)
    training: TrainingOptions = field(default_factory=TrainingOptions)
    decision: DecisionOptions = field(default_factory=DecisionOptions)
    device: DeviceOptions = field(default_factory=DeviceOptions)
    start: StartOptions = field(default_factory=StartOptions)
    output: OutputOptions = field(default_factory=OutputOptions)
    architecture: Any = None
    """The model's own options: an instance of the class registered under ``model``."""


@dataclass(frozen=True)
class PairConfig(BaseConfig):
    """Likewise, of a model that turns a text into another."""

    data: PairOptions = field(default_factory=PairOptions)
    text: PairTextOptions = field(default_factory=PairTextOptions)
    training: PairTrainingOptions = field(default_factory=PairTrainingOptions)
    writing: WritingOptions = field(default_factory=WritingOptions)
    device: DeviceOptions = field(default_factory=DeviceOptions)
    output: OutputOptions = field(default_factory=OutputOptions)
    architecture: Any = None
    """The model's own options: an instance of the class registered under ``model``."""


@dataclass(frozen=True)
class TextConfig(BaseConfig):
    """Likewise, of a model that learns texts, to continue them or to make new ones."""

    data: PlainTextOptions = field(default_factory=PlainTextOptions)
    text: TextTokenOptions = field(default_factory=TextTokenOptions)
    training: TextTrainingOptions = field(default_factory=TextTrainingOptions)
    device: DeviceOptions = field(default_factory=DeviceOptions)
    output: OutputOptions = field(default_factory=OutputOptions)
    architecture: Any = None
    """The model's own options: an instance of the class registered under ``model``."""


CONFIGS: Mapping[str, type[BaseConfig]] = {  # by task
    "classification": RunConfig,
    "seq2seq": PairConfig,
    "language_model": TextConfig,
    "autoencoding": TextConfig,
}


def option_names(task: str, architecture: type) -> Iterator[str]:
    """Names of all options that a model takes."""
    yield from ("train", "model", "preset")
    yield from (field.name for field in option_fields(task, architecture))


def option_fields(task: str, architecture: type) -> Iterator[dataclasses.Field[Any]]:
    """The fields that hold them, without the data file, model and preset."""
    for group in (*CONFIGS[task].groups().values(), architecture):
        yield from dataclasses.fields(group)
