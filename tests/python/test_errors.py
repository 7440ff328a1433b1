"""One tree, each also a builtin, each raised with what, bound and place."""

from __future__ import annotations

import pickle

import pytest

import subtok
from subtok import errors

BUILTIN = {
    "ArgumentError": ValueError,
    "ArgumentTypeError": TypeError,
    "TextError": ValueError,
    "RowIndexError": IndexError,
    "UnknownIdError": IndexError,
    "UnknownPieceError": ValueError,
    "FileError": OSError,
    "FormatError": ValueError,
    "UnsupportedError": NotImplementedError,
    "PatternError": ValueError,
    "TrainingError": ValueError,
    "MissingDependencyError": ImportError,
}


@pytest.mark.parametrize("name", sorted(BUILTIN))
def test_each_is_a_subtok_error_and_the_builtin_that_fits(name):
    kind = getattr(subtok, name)
    assert issubclass(kind, subtok.SubtokError)
    assert issubclass(kind, BUILTIN[name])
    assert kind is getattr(errors, name)


def test_the_list_is_complete():
    assert {*BUILTIN, "SubtokError"} == set(errors.__all__)


@pytest.mark.parametrize("name", sorted(BUILTIN))
def test_they_survive_pickling(name):
    error = getattr(subtok, name)("what, which bound, where")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == "what, which bound, where"


def test_public_names_exist_and_are_few():
    assert len(subtok.__all__) <= 36
    assert all(hasattr(subtok, name) for name in subtok.__all__)


def test_an_unknown_id_names_id_and_position(bpe):
    with pytest.raises(subtok.UnknownIdError, match=r"(?s)70000.*1"):
        bpe.decode([1, 70_000])


def test_a_lone_surrogate_names_its_position(bpe):
    with pytest.raises(subtok.TextError, match="2"):
        bpe.encode("ab\ud800c")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(subtok.FileError, match=r"nothing\.json"):
        subtok.Tokenizer.from_file(str(tmp_path / "nothing.json"))


def test_a_file_that_is_no_tokenizer_is_named(tmp_path):
    path = tmp_path / "broken.json"
    path.write_text('{"model": ')
    with pytest.raises(subtok.FormatError, match=r"broken\.json"):
        subtok.Tokenizer.from_file(str(path))


def test_training_on_nothing_is_refused():
    with pytest.raises(subtok.SubtokError):
        subtok.train_bpe(iter([]), vocab_size=10)
