"""Data frames of other libraries: Polars, pandas, DuckDB, nanoarrow; each where it is installed."""

from __future__ import annotations

import gc

import pyarrow as pa
import pytest

TEXTS = ["a b", "c", "one two " * 9, "", "größer 한국어, and beyond twelve bytes"]


@pytest.fixture
def want(bpe):
    return [row.ids.tolist() for row in bpe.encode_batch(TEXTS)]


@pytest.fixture
def same(bpe, want):
    def check(texts) -> None:
        batch = bpe.encode_batch(texts)
        assert [row.ids.tolist() for row in batch] == want
        assert [row.tokens for row in batch] == [bpe.encode(text).tokens for text in TEXTS]
        assert bpe.count_batch(texts).tolist() == [len(row) for row in want]

    return check


class TestPolars:
    @pytest.fixture
    def pl(self):
        return pytest.importorskip("polars")

    def test_series_in(self, pl, same):
        whole = pl.Series(TEXTS)
        same(whole)
        same(pl.concat([whole[:2], whole[2:]], rechunk=False))
        same(pl.Series(["x", *TEXTS, "y"])[1:-1])
        same(pl.Series([text.encode() for text in TEXTS]))
        same(whole.cast(pl.Categorical))
        same(whole.cast(pl.Enum(TEXTS)))
        same(pl.DataFrame({"t": TEXTS})["t"])

    def test_batch_out(self, pl, bpe, want):
        batch = bpe.encode_batch(pl.Series(TEXTS))
        series = pl.Series(batch)
        assert series.dtype == pl.List(pl.UInt32)
        assert series.to_list() == pl.from_arrow(batch).to_list() == want
        assert pl.DataFrame({"ids": batch})["ids"].to_list() == want
        del batch
        gc.collect()
        assert series.to_list() == want

    def test_decoding(self, pl, bpe, want):
        lists = pl.Series(want, dtype=pl.List(pl.UInt32))
        assert bpe.decode_batch(lists) == TEXTS
        texts = pl.Series(bpe.decode_arrow(lists[1:]))
        assert texts.dtype == pl.String
        assert texts.to_list() == TEXTS[1:]
        assert bpe.decode_batch(lists.cast(pl.List(pl.Int64))) == TEXTS

    def test_expressions(self, pl, bpe, want):
        def ids(series):
            return pl.Series(bpe.encode_batch(series))

        kind = pl.List(pl.UInt32)
        mapped = pl.col("t").map_batches(ids, return_dtype=kind, is_elementwise=True)
        frame = pl.DataFrame({"t": TEXTS})
        assert frame.select(mapped)["t"].to_list() == want
        assert frame.lazy().select(mapped).collect()["t"].to_list() == want

    def test_nulls(self, pl, bpe):
        assert bpe.count_batch(pl.Series(["a", None]), nulls="empty").tolist() == [1, 0]


class TestPandas:
    @pytest.fixture
    def pd(self):
        return pytest.importorskip("pandas")

    def test_series_in(self, pd, same):
        kinds = ["str", object, "category", "string[pyarrow]"]
        kinds += [pd.ArrowDtype(kind) for kind in (pa.string(), pa.string_view())]
        for kind in kinds:
            same(pd.Series(TEXTS, dtype=kind))
            same(pd.Series(["x", *TEXTS], dtype=kind)[1:])
        same(pd.Index(TEXTS))
        same(pd.DataFrame({"t": TEXTS})["t"])

    def test_batch_out(self, pd, bpe, want):
        batch = bpe.encode_batch(pd.Series(TEXTS))
        kind = pd.ArrowDtype(pa.list_(pa.uint32()))
        series = pd.Series(pa.array(batch), dtype=kind)
        assert series.dtype == kind
        del batch
        gc.collect()
        assert [list(row) for row in series] == want

    def test_nulls(self, pd, bpe):
        rows = pd.Series(["a", None], dtype="str")
        assert bpe.count_batch(rows, nulls="empty").tolist() == [1, 0]


def test_duckdb(bpe, want):
    duckdb = pytest.importorskip("duckdb")
    ways = [
        ("ids_of_array", lambda rows: pa.array(bpe.encode_batch(rows))),
        ("ids_of_batch", lambda rows: bpe.encode_batch(rows)),  # noqa: PLW0108 (counts parameters)
    ]
    with duckdb.connect() as connection:
        for name, function in ways:
            connection.create_function(name, function, ["VARCHAR"], "UINTEGER[]", type="arrow")
            query = f"select {name}(t) from (select unnest(?) t)"  # noqa: S608
            assert connection.sql(query, params=[TEXTS]).fetchall() == [(ids,) for ids in want]
            connection.remove_function(name)


def test_nanoarrow(bpe, want, same):
    na = pytest.importorskip("nanoarrow")
    same(na.Array(TEXTS, na.string()))
    same(na.c_array(TEXTS, na.large_string()))
    assert na.Array(bpe.encode_batch(TEXTS)).to_pylist() == want
