"""`subtok.compat` against `tokenizers`: the same program, run with both."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING

import compat_programs as programs
import pytest
import tokenizers
from compat_programs import everything, parts

if TYPE_CHECKING:
    from types import ModuleType

import subtok.compat

MODULES = ["models", "normalizers", "pre_tokenizers", "processors", "decoders", "trainers"]
LEFT_OUT = {
    "ParityBpeTrainer": "training over several languages at once is not supported",
}


def plain(value: object) -> object:
    """What two libraries' results have in common: no classes of theirs, dicts without order."""
    if isinstance(value, dict):
        return sorted((str(key), plain(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if type(value).__name__ == "Token":
        return value.as_tuple()
    if type(value).__name__ in {"AddedToken", "NormalizedString"}:
        return repr(value)
    if type(value).__name__ == "Encoding":
        return plain(everything(value))
    return value


def agree(program, capfd=None):
    """Run with both; their results, and what they print, are equal."""
    expected = plain(program(tokenizers))
    if capfd is not None:
        printed = capfd.readouterr().out
    got = plain(program(subtok.compat))
    assert got == expected
    if capfd is not None:
        assert capfd.readouterr().out == printed


def cases(table):
    return pytest.mark.parametrize("make", table.values(), ids=table.keys())


ALL = {
    f"{kind}-{name}": make
    for kind, table in {
        "normalizer": programs.NORMALIZERS,
        "pre_tokenizer": programs.PRE_TOKENIZERS,
        "decoder": programs.DECODERS,
        "processor": programs.PROCESSORS,
        "model": programs.MODELS,
    }.items()
    for name, make in table.items()
}


@cases(ALL)
def test_components_show_alike(make):
    agree(programs.component_program(make))


@cases(ALL)
def test_components_are_pickled_and_compared_by_content(make):
    # There, components with arguments cannot be pickled, and equal ones are not equal.
    part = make(subtok.compat)
    for again in (pickle.loads(pickle.dumps(part)), copy.deepcopy(part), make(subtok.compat)):
        assert again == part
        assert repr(again) == repr(part)
        assert type(again) is type(part)
    assert part != subtok.compat.normalizers.Prepend("unlike all others")


@cases(programs.NORMALIZERS)
def test_normalizers(make):
    agree(programs.normalize_program(make))


@cases(programs.PRE_TOKENIZERS)
def test_pre_tokenizers(make):
    agree(programs.pre_tokenize_program(make))


@cases(programs.DECODERS)
def test_decoders(make):
    agree(programs.decode_program(make))


@cases(programs.PROCESSORS)
def test_processors(make):
    agree(programs.process_program(make))


@cases({k: v for k, v in programs.MODELS.items() if k != "bpe_empty"})
def test_models(make):
    agree(programs.model_program(make))


# The surface.


def public(module: ModuleType) -> set[str]:
    names = getattr(module, "__all__", None) or vars(module)
    found = {name for name in names if not name.startswith("_")}
    # What the other library imports for itself.
    return found - {
        "Enum",
        "List",
        "Tuple",
        "Union",
        "Dict",
        "Iterator",
        "Optional",
        module.__name__,
    }


def test_every_public_name_is_here():
    there = public(tokenizers) - {"tokenizers", "tools"}
    assert there <= public(subtok.compat)
    for name in MODULES:
        short = getattr(tokenizers, name)
        expected = {n for n in dir(short) if not n.startswith("_")} - {name}
        assert expected <= public(getattr(subtok.compat, name))
    implementations = {"BaseTokenizer", *(n for n in there if n.endswith("Tokenizer"))}
    assert implementations - {"Tokenizer"} <= public(subtok.compat.implementations)


def declared():
    """The classes of the stubs, with the parameters of their methods.

    The stubs say what can be passed by name; what `inspect` says of the extension does not hold.
    """
    folder = Path(tokenizers.__file__).parent
    for where in ("", *MODULES):
        tree = ast.parse((folder / where / "__init__.pyi").read_text("utf-8"))
        for node in tree.body:
            if not isinstance(node, ast.ClassDef) or node.name in LEFT_OUT:
                continue
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and not (
                    method.name.startswith("_") and method.name != "__new__"
                ):
                    arguments = method.args
                    given = arguments.posonlyargs + arguments.args + arguments.kwonlyargs
                    names = [each.arg for each in given if each.arg not in {"self", "cls"}]
                    yield where, node.name, method.name, names


@pytest.mark.parametrize(("where", "name", "method", "names"), list(declared()))
def test_every_method_and_parameter_is_here(where, name, method, names):
    cls = getattr(getattr(subtok.compat, where) if where else subtok.compat, name)
    if method == "__new__":
        ours = cls
    else:
        assert hasattr(cls, method)
        ours = inspect.getattr_static(cls, method)
        if isinstance(ours, property) or type(ours).__name__ == "Field":
            return
        ours = getattr(cls, method)
    missing = set(names) - set(inspect.signature(ours).parameters)
    assert not missing


@pytest.mark.parametrize("name", subtok.compat.implementations.__all__)
def test_the_ready_made_tokenizers_have_the_same_calls(name):
    there = getattr(tokenizers.implementations, name)
    here = getattr(subtok.compat.implementations, name)
    for attribute in ("__init__", *(a for a in dir(there) if not a.startswith("_"))):
        theirs = inspect.getattr_static(there, attribute)
        assert hasattr(here, attribute)
        if isinstance(theirs, property):
            continue
        expected = inspect.signature(getattr(there, attribute)).parameters
        given = inspect.signature(getattr(here, attribute)).parameters
        assert list(expected) == list(given), attribute
        for parameter, declared_there in expected.items():
            default = given[parameter].default
            if isinstance(declared_there.default, list):
                default = list(default)
            assert default == declared_there.default, (attribute, parameter)


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_is_left_out_says_so(name):
    with pytest.raises(subtok.UnsupportedError):
        getattr(subtok.compat.trainers, name)()
    for module in ("normalizers", "pre_tokenizers", "decoders"):
        family = {"normalizers": "Normalizer", "pre_tokenizers": "PreTokenizer"}.get(
            module, "Decoder"
        )
        with pytest.raises(subtok.UnsupportedError, match="Python"):
            getattr(getattr(subtok.compat, module), family).custom(object())


# Attributes.


def test_attributes_are_read_and_written():
    def program(t):
        x = parts(t)
        found = []
        bpe = x.m.BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")])
        for name, value in {
            "dropout": 0.5,
            "unk_token": "a",
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": True,
            "continuing_subword_prefix": "#",
            "end_of_word_suffix": "</w>",
        }.items():
            found.append(getattr(bpe, name))
            setattr(bpe, name, value)
            found.append(getattr(bpe, name))
        found.append(repr(bpe))
        for part, name, value in [
            (x.n.BertNormalizer(), "lowercase", False),
            (x.n.BertNormalizer(), "strip_accents", True),
            (x.n.Strip(), "left", False),
            (x.n.Prepend(), "prepend", "x"),
            (x.n.Replace("a", "b"), "content", "c"),
            (x.p.ByteLevel(), "add_prefix_space", False),
            (x.p.ByteLevel(), "use_regex", False),
            (x.p.Digits(), "individual_digits", True),
            (x.p.Metaspace(), "replacement", "_"),
            (x.p.Metaspace(), "prepend_scheme", "first"),
            (x.p.Metaspace(), "split", False),
            (x.p.Punctuation(), "behavior", "removed"),
            (x.p.Split("a", "removed"), "behavior", "contiguous"),
            (x.p.Split("a", "removed"), "invert", True),
            (x.p.CharDelimiterSplit("a"), "delimiter", "b"),
            (x.d.BPEDecoder(), "suffix", "x"),
            (x.d.CTC(), "pad_token", "x"),
            (x.d.WordPiece(), "cleanup", False),
            (x.d.Strip(), "start", 2),
            (x.d.Metaspace(), "prepend_scheme", "never"),
            (x.pr.BertProcessing(("a", 1), ("b", 2)), "sep", ("c", 3)),
            (x.pr.RobertaProcessing(("a", 1), ("b", 2)), "trim_offsets", False),
            (x.pr.ByteLevel(), "trim_offsets", False),
            (x.tr.BpeTrainer(), "vocab_size", 5),
            (x.tr.BpeTrainer(), "special_tokens", ["a"]),
            (x.tr.BpeTrainer(), "initial_alphabet", ["b"]),
            (x.tr.WordPieceTrainer(), "continuing_subword_prefix", "@@"),
            (x.tr.WordLevelTrainer(), "min_frequency", 7),
            (x.tr.UnigramTrainer(), "show_progress", False),
            (x.m.WordPiece(), "max_input_chars_per_word", 5),
            (x.m.WordLevel(), "unk_token", "u"),
        ]:
            found.append(getattr(part, name))
            setattr(part, name, value)
            found += [getattr(part, name), repr(part)]
        return found

    agree(program)


def test_a_pattern_cannot_be_read():
    def program(t):
        x = parts(t)
        found = []
        for part in (x.n.Replace("a", "b"), x.p.Split("a", "removed")):
            with pytest.raises(Exception, match="pattern"):
                _ = part.pattern
        return found

    agree(program)


def test_words_is_an_old_name():
    def program(t):
        encoding = programs.bert(t).encode("hello you")
        with pytest.warns(DeprecationWarning, match="word_ids"):
            return encoding.words

    agree(program)


def test_components_are_shared():
    def program(t):
        x = parts(t)
        chain = x.n.Sequence([x.n.NFD(), x.n.Strip()])
        strip = chain[1]
        strip.left = False
        tok = programs.bert(t)
        tok.normalizer = chain
        before = tok.normalizer.normalize_str("  É  ")
        strip.left = True
        pre = x.p.ByteLevel()
        pre.add_prefix_space = False
        split = x.p.Sequence([pre, x.p.Digits()])
        split[0].use_regex = False
        split[1] = x.p.Whitespace()
        return [repr(chain), before, tok.normalizer.normalize_str("  É  "), repr(split), len(chain)]

    agree(program)


def test_a_component_that_changes_changes_its_tokenizer():
    def program(t):
        tok = programs.bert(t)
        found = [tok.encode("Hello").tokens]
        tok.normalizer.lowercase = False
        found.append(tok.encode("Hello").tokens)
        tok.model.unk_token = "[MASK]"
        found.append(tok.encode("Hello").tokens)
        tok.post_processor.cls = ("[PAD]", 0)
        found.append(tok.encode("Hello").tokens)
        tok.decoder.prefix = "@@"
        found.append(tok.decode([5, 9, 10]))
        tok.normalizer = None
        found.append(tok.encode("hello").tokens)
        return found

    agree(program)


def test_components_of_the_other_library_are_taken():
    tok = programs.bert(subtok.compat)
    tok.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A [SEP]", special_tokens=[("[SEP]", 3)]
    )
    tok.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=False)
    assert tok.encode("hello").tokens == ["hello", "[SEP]"]
    assert isinstance(tok.post_processor, subtok.compat.processors.TemplateProcessing)
    with pytest.raises(TypeError):
        tok.normalizer = "NFC"
    tok.add_tokens([tokenizers.AddedToken("zebra", lstrip=True)])
    assert tok.encode("hello zebra").tokens == ["hello", " zebra", "[SEP]"]


def test_errors_are_those_of_the_builtin_class():
    def program(t):
        x = parts(t)
        tok = programs.bert(t)
        found = []
        for call in [
            lambda: x.p.Split("a", "foo"),
            lambda: x.p.Metaspace("ab"),
            lambda: x.p.Metaspace(prepend_scheme="x"),
            lambda: x.pr.TemplateProcessing(single="$A [X]"),
            lambda: x.pr.TemplateProcessing(single="$C"),
            lambda: x.pr.TemplateProcessing(pair="$A"),
            lambda: x.n.Replace(1, "a"),
            lambda: t.AddedToken(1),
            lambda: tok.encode(1),
            lambda: tok.encode(None),
            lambda: tok.encode("a", "b", is_pretokenized=True),
            lambda: tok.encode_batch("abc"),
            lambda: tok.encode_batch([("a", "b", "c")]),
            lambda: tok.encode_batch([1]),
            lambda: tok.encode_batch(iter(["a"])),
            lambda: tok.decode(1),
            lambda: tok.decode([-1]),
            lambda: tok.decode([1.0]),
            lambda: tok.id_to_token(-1),
            lambda: tok.add_tokens([1]),
            lambda: tok.add_tokens("ab"),
            lambda: tok.enable_truncation(5, strategy="x"),
            lambda: tok.enable_truncation(5, direction="x"),
            lambda: tok.enable_truncation(5, stride=4),
            lambda: tok.enable_padding(direction="x"),
            lambda: t.Tokenizer.from_str("{}"),
            lambda: t.Tokenizer.from_file("no such file"),
            lambda: t.Tokenizer.from_buffer(b"x"),
            lambda: t.Tokenizer.from_buffer("x"),
            lambda: x.n.Sequence([x.n.NFC()])[5],
            lambda: x.n.unicode_normalizer_from_str("x"),
            lambda: t.Regex("("),
            lambda: x.m.BPE({"a": 0}, None),
            lambda: x.m.BPE({"a": 0}, [("a", "b")]),
            lambda: x.m.BPE(dropout=2.0),
            lambda: x.m.Unigram([("a", 0.1)], 5),
            lambda: t.Tokenizer(x.m.WordLevel()).train_from_iterator(["a"], x.tr.BpeTrainer()),
            lambda: t.Tokenizer(x.m.WordLevel()).train_from_iterator([1]),
            lambda: t.Tokenizer(x.m.WordLevel()).train(["no such file"]),
            lambda: t.PreTokenizedString("a").to_encoding(),
        ]:
            with pytest.raises(Exception) as caught:  # noqa: PT011 (which one is compared)
                call()
            found.append(caught.value)
        return found

    for expected, got in zip(program(tokenizers), program(subtok.compat), strict=True):
        wanted = type(expected)
        assert isinstance(got, (wanted, OverflowError if wanted is IndexError else wanted)), got
        assert isinstance(got, (subtok.SubtokError, OverflowError, ValueError, TypeError))


def test_unknown_keywords_are_told(capfd):
    def program(t):
        tok = programs.bert(t)
        tok.enable_padding(foo=1)
        tok.enable_truncation(5, foo=1)
        t.AddedToken("a", foo=1)

    agree(program, capfd)


@pytest.mark.parametrize("page", ["from-tokenizers", "from-tiktoken"])
def test_the_guides_first_example_does_what_it_says(page):
    guide = Path(__file__).parents[2] / "docs" / "guide" / f"{page}.md"
    example = re.findall(r"```python\n(.*?)```", guide.read_text("utf-8"), re.DOTALL)[0]
    names: dict[str, object] = {}
    exec(compile(example, str(guide), "exec"), names)  # noqa: S102 (it is our own page)
    said = re.findall(r"^(\S.*?)  # (['\[].*)$", example, re.MULTILINE)
    assert said
    for expression, result in said:
        assert eval(expression, names) == ast.literal_eval(result)  # noqa: S307 (as above)
