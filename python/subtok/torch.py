"""The factorised table as a trainable module of torch.

`FactorizedEmbedding` computes what `nn.Embedding(V, E)` followed by `nn.Linear(E, H)` computes, for
each distinct id of a batch once: forward, the distinct rows are projected and copied to their
places; backward, the gradient's rows are added up by id before the two products are done. In text
that leaves a ninth of the arithmetic.

On the processor, in float32, distinct ids, sums and copies are those of subtok's compiled half;
other devices and types use operations of torch.
"""

from __future__ import annotations

import operator
import platform
from collections import OrderedDict
from functools import cache
from typing import Any

import numpy as np

from subtok import _subtok
from subtok._tensors import factorized, factors
from subtok.errors import ArgumentError, ArgumentTypeError, MissingDependencyError, UnknownIdError

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError as error:
    raise MissingDependencyError("this needs torch: pip install 'subtok[torch]'") from error

__all__ = ["FactorizedEmbedding", "TiedHead", "to_torch"]

_DEVIATION = 0.02
_BLOCK = 8192


class FactorizedEmbedding(nn.Module):
    """Vectors for ids out of two small trainable tables: row = A[id] @ P (+ bias).

    The parameters are those of a plain `nn.Embedding` (`word_embeddings.weight`, (V, E)) and a
    plain `nn.Linear` (`embedding_hidden_mapping_in.weight`, (H, E), and `.bias`, (H,)), with the
    names that ALBERT has for them; `to_torch` of a numpy table gives modules with the same state.
    The vector of the padding id is zero, bias or not, and gets no gradient.

    With `sparse=True` the gradient of A is a sparse tensor with a row for each distinct id, for
    `torch.optim.SparseAdam` or `SGD`; dense gradients serve every optimiser. Note that Adam with
    dense gradients moves rows that are not in the batch, too, for their moments decay.

    Works under `torch.compile` without a graph break (with dense gradients) and under autocast,
    where the result has the type that `nn.Linear` would give.

    Of torch's functional transforms, `torch.func.grad` and `vjp` (with dense gradients) work;
    `vmap`, and so gradients of each sample, and `jvp` do not: `made.to_numpy().to_torch()` gives
    plain modules that take them.

    Args:
        vocab_size: How many ids have a row.
        embedding_dim: The length of an inner row.
        hidden_dim: The length of a row.
        padding_id: The id whose row is zero.
        bias: Add a bias to every other row.
        sparse: Give A a sparse gradient.
        device: Where parameters are made.
        dtype: Their type.

    Raises:
        ArgumentError: A size is not positive, or the padding id is not in the vocabulary.
        ArgumentTypeError: A size or the padding id is no integer.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int,
        hidden_dim: int,
        *,
        padding_id: int | None = None,
        bias: bool = False,
        sparse: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        vocab_size = _integer("vocab_size", vocab_size)
        embedding_dim = _integer("embedding_dim", embedding_dim)
        hidden_dim = _integer("hidden_dim", hidden_dim)
        if padding_id is not None:
            padding_id = _integer("padding_id", padding_id)
        sizes = (("vocab_size", vocab_size), ("embedding_dim", embedding_dim))
        for name, size in (*sizes, ("hidden_dim", hidden_dim)):
            if size < 1:
                raise ArgumentError(f"{name} is {size}, but must be at least 1")
        if padding_id is not None and not 0 <= padding_id < vocab_size:
            raise ArgumentError(
                f"padding_id is {padding_id}, but must be less than vocab_size ({vocab_size})"
            )
        self.vocab_size = vocab_size
        self.embedding_dim = embedding_dim
        self.hidden_dim = hidden_dim
        self.padding_id = padding_id
        self.sparse = sparse
        made = {"device": device, "dtype": dtype}
        self.word_embeddings = nn.Embedding(
            vocab_size, embedding_dim, padding_idx=padding_id, sparse=sparse, **made
        )
        self.embedding_hidden_mapping_in = nn.Linear(embedding_dim, hidden_dim, bias=bias, **made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw A from N(0, 0.02^2), P from N(0, 1 / E): vectors start with a deviation of 0.02."""
        nn.init.normal_(self.word_embeddings.weight, std=_DEVIATION)
        nn.init.normal_(self.embedding_hidden_mapping_in.weight, std=self.embedding_dim**-0.5)
        if self.embedding_hidden_mapping_in.bias is not None:
            nn.init.zeros_(self.embedding_hidden_mapping_in.bias)
        if self.padding_id is not None:
            with torch.no_grad():
                self.word_embeddings.weight[self.padding_id].zero_()

    @classmethod
    def from_numpy(
        cls, embedding: _subtok.FactorizedEmbedding, *, sparse: bool = False
    ) -> FactorizedEmbedding:
        """A trainable copy of a table (a quantised one is widened to float32)."""
        table, projection, bias = factors(embedding)
        made = cls(
            len(table),
            *projection.shape,
            padding_id=embedding.padding_id,
            bias=bias is not None,
            sparse=sparse,
        )
        _fill(made.word_embeddings, made.embedding_hidden_mapping_in, table, projection, bias)
        return made

    def to_numpy(self) -> _subtok.FactorizedEmbedding:
        """The table as it is now, for numpy: to save, quantise, or embed text with."""
        mapping = self.embedding_hidden_mapping_in
        table, weight = _array(self.word_embeddings.weight), _array(mapping.weight)
        if self.padding_id is not None:
            table = table.copy()
            table[self.padding_id] = 0
        bias = None if mapping.bias is None else _array(mapping.bias)
        return factorized(table, weight.T, bias, self.padding_id)

    def forward(self, ids: Any) -> Any:
        """Vectors for ids of any shape: (*shape, H).

        Args:
            ids: A tensor of integers, on the device of the parameters.

        Raises:
            UnknownIdError: An id has no row; it and its position are named where that is known.
            ArgumentTypeError: The ids are no tensor, or no integers.
        """
        if not isinstance(ids, torch.Tensor):
            raise ArgumentTypeError(f"ids must be a tensor of integers, not {type(ids).__name__}")
        if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
            raise ArgumentTypeError(f"ids must be integers, not {ids.dtype}")
        table, mapping = self.word_embeddings, self.embedding_hidden_mapping_in
        if not (_is_plain(table, nn.Embedding) and _is_plain(mapping, nn.Linear)):
            return self._through_modules(ids)
        weight = table.weight
        dtype = _result_type(weight)
        if self.sparse:
            return _sparse_lookup(ids, weight, mapping.weight, mapping.bias, self.padding_id, dtype)
        if torch.compiler.is_compiling() or type(ids) is not torch.Tensor or ids.is_meta:
            padding = -1 if self.padding_id is None else self.padding_id
            return _lookup(ids, weight, mapping.weight, mapping.bias, padding, dtype)
        return _Lookup.apply(
            ids, weight, mapping.weight, mapping.bias, self.padding_id, dtype, False
        )

    def _through_modules(self, ids: Any) -> Any:
        """The same by calls of the two modules, which somebody has changed or put hooks on."""
        distinct, slots = _distinct(_flat(ids, self.vocab_size), self.vocab_size)
        vectors = self.embedding_hidden_mapping_in(self.word_embeddings(distinct))
        if self.padding_id is not None:
            vectors = vectors.masked_fill((distinct == self.padding_id)[:, None], 0)
        return vectors.index_select(0, slots).view(*ids.shape, vectors.shape[1])

    def logits(self, hidden: Any, bias: Any = None) -> Any:
        """The product of vectors with every row of the table: (..., H) to (..., V).

        The tied output head. It goes through E: the vectors are multiplied by P first, which takes
        E / H of the arithmetic of a V x H head.

        Args:
            hidden: Vectors, such as a transformer's last layer gives them.
            bias: (V,), added to the result.
        """
        inner, shift = self._inner(hidden)
        result = functional.linear(inner, self.word_embeddings.weight)
        if shift is not None:
            result = result + shift
        if self.padding_id is not None:
            result = _without(result, self.padding_id)
        return result if bias is None else result + bias

    def topk(self, hidden: Any, k: int, bias: Any = None) -> tuple[Any, Any]:
        """The k largest logits and their ids, largest first: (..., k) each.

        V columns are never held at once: the table is gone through in blocks of 8192 rows.

        Args:
            hidden: As for `logits`.
            k: How many.
            bias: As for `logits`.

        Raises:
            ArgumentError: `k` is not from 1 to the number of ids.
        """
        if not 1 <= k <= self.vocab_size:
            raise ArgumentError(f"k is {k}, but must be from 1 to {self.vocab_size}")
        inner, shift = self._inner(hidden)
        best = ids = None
        for start in range(0, self.vocab_size, _BLOCK):
            rows = self.word_embeddings.weight[start : start + _BLOCK]
            scores = functional.linear(inner, rows)
            if shift is not None:
                scores = scores + shift
            at = -1 if self.padding_id is None else self.padding_id - start
            if 0 <= at < rows.shape[0]:
                scores = _without(scores, at)
            if bias is not None:
                scores = scores + bias[start : start + _BLOCK]
            values, places = scores.topk(min(k, rows.shape[0]), -1)
            places = places + start
            if best is not None:
                values = torch.cat([best, values], -1)
                places = torch.cat([ids, places], -1)
                values, order = values.topk(min(k, values.shape[-1]), -1)
                places = places.gather(-1, order)
            best, ids = values, places
        return best, ids

    def _inner(self, hidden: Any) -> tuple[Any, Any]:
        """Vectors times P transposed, and what the bias adds to all of a vector's logits."""
        mapping = self.embedding_hidden_mapping_in
        inner = torch.matmul(hidden, mapping.weight)
        if mapping.bias is None:
            return inner, None
        return inner, torch.matmul(hidden, mapping.bias)[..., None]

    def extra_repr(self) -> str:
        """The options that the two modules do not show."""
        return "" if self.padding_id is None else f"padding_id={self.padding_id}"


class TiedHead(nn.Module):
    """An output head that shares the table: vectors (..., H) to logits (..., V).

    The table stays a parameter of its module alone: this one has the bias and nothing else.

    Args:
        embedding: The module whose table is shared.
        bias: Whether every id has a bias of its own; it starts with zeros.
    """

    def __init__(self, embedding: FactorizedEmbedding, *, bias: bool = True) -> None:
        super().__init__()
        # Not as a submodule, which would put its parameters into the state a second time.
        self._shared = (embedding,)
        weight = embedding.word_embeddings.weight
        made = {"device": weight.device, "dtype": weight.dtype}
        self.bias = nn.Parameter(torch.zeros(embedding.vocab_size, **made)) if bias else None

    def forward(self, hidden: Any) -> Any:
        """Logits for every id: (..., V)."""
        return self._shared[0].logits(hidden, self.bias)

    def topk(self, hidden: Any, k: int) -> tuple[Any, Any]:
        """The k largest logits and their ids, without holding V columns: (..., k) each."""
        return self._shared[0].topk(hidden, k, self.bias)


def to_torch(embedding: _subtok.FactorizedEmbedding) -> Any:
    """Plain modules that compute what the table does: an `nn.Embedding`, then an `nn.Linear`.

    They need no subtok: save them, script them, export them. A table with a bias and a padding id
    has one more inner column, which is one for all ids but the padding and holds the bias in P:
    nothing simpler gives the padding a zero vector.
    """
    table, projection, bias = factors(embedding)
    padding = embedding.padding_id
    if padding is not None and bias is not None:
        ones = np.ones((len(table), 1), np.float32)
        ones[padding] = 0
        table = np.concatenate([table, ones], 1)
        projection = np.concatenate([projection, bias[None]])
        bias = None
    if padding is not None:
        table = table.copy()
        table[padding] = 0
    rows = nn.Embedding(*table.shape, padding_idx=padding)
    mapping = nn.Linear(*projection.shape, bias=bias is not None)
    _fill(rows, mapping, table, projection, bias)
    names = ("word_embeddings", "embedding_hidden_mapping_in")
    return nn.Sequential(OrderedDict(zip(names, (rows, mapping), strict=True)))


def _integer(name: str, given: Any) -> int:
    """A size as Python's int, of whatever kind of integer it was."""
    try:
        return operator.index(given)
    except TypeError:
        kind = type(given).__name__
        raise ArgumentTypeError(f"{name} must be an integer, not {kind}") from None


def _without(logits: Any, column: int) -> Any:
    """Zero for the padding, whose vector is zero; and no gradient that would change that."""
    return logits.index_fill(-1, torch.tensor([column], device=logits.device), 0)


def _fill(rows: Any, mapping: Any, table: Any, projection: Any, bias: Any) -> None:
    with torch.no_grad():
        rows.weight.copy_(torch.tensor(table))
        mapping.weight.copy_(torch.tensor(projection).T)
        if bias is not None:
            mapping.bias.copy_(torch.tensor(bias))


def _array(parameter: Any) -> Any:
    return parameter.detach().to("cpu", torch.float32).numpy()


def _is_plain(module: Any, kind: Any) -> bool:
    """Whether a module is what we made: not replaced, parametrised, or watched by hooks."""
    if type(module) is not kind or getattr(module, "max_norm", None) is not None:
        return False
    forward = module._forward_hooks or module._forward_pre_hooks
    return not (forward or module._backward_hooks or module._backward_pre_hooks)


def _result_type(weight: Any) -> Any:
    """The type of what `nn.Linear` would give here."""
    device = weight.device.type
    if weight.dtype != torch.float64 and not weight.is_meta and torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return weight.dtype


# ---------------------------------------------------------------- the two passes
def _is_native(*tensors: Any) -> bool:
    """Whether the compiled half takes these: float32 in the processor's memory."""
    return all(
        tensor is None or (tensor.device.type == "cpu" and tensor.dtype == torch.float32)
        for tensor in tensors
    )


def _flat(ids: Any, size: int) -> Any:
    """The ids in a row, as int64."""
    flat = ids.reshape(-1)
    if flat.dtype == torch.uint64:
        # Those beyond int64 turn negative, and an error would name a number that nobody gave.
        signed = flat.view(torch.int64)
        if bool((signed < 0).any()):
            position = int(((signed < 0) | (signed >= size)).nonzero()[0, 0])
            id_ = int(signed[position]) % 2**64
            raise UnknownIdError(
                f"id {id_} at position {position} is not in the vocabulary of {size} ids"
            )
    return flat.long()


def _distinct(flat: Any, size: int) -> tuple[Any, Any]:
    """The distinct ids in rising order, and where each stands in them."""
    if flat.device.type == "cpu":
        distinct, slots = _subtok._distinct_ids(_view(flat), size)
        return torch.from_numpy(distinct), torch.from_numpy(slots.view(np.int32))
    distinct, slots = torch.unique(flat, return_inverse=True)
    if len(distinct):
        ends = (int(distinct[0]), int(distinct[-1]))
        for id_ in ends:
            if not 0 <= id_ < size:
                position = int((flat == id_).nonzero()[0, 0])
                raise UnknownIdError(
                    f"id {id_} at position {position} is not in the vocabulary of {size} ids"
                )
    return distinct, slots


def _view(tensor: Any) -> Any:
    """The numbers of a tensor as a numpy array, not copied."""
    return tensor.detach().contiguous().numpy()


@cache
def _onednn() -> Any:
    """The matrix product of oneDNN, where torch has it and it is right; none elsewhere.

    torch gives float32 products to MKL, which does not use the wide registers of processors that
    are not Intel's: 93 against 220 GFLOP/s on one core of a Zen 5.
    """
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return None
    try:
        product = torch.ops.mkldnn._linear_pointwise  # what torch.compile calls
        rows, weight, bias = torch.randn(5, 3), torch.randn(4, 3), torch.randn(4)
        for factor in (weight, weight.t().contiguous().t()):
            for b in (bias, None):
                found = product(rows, factor, b, "none", [], "")
                if not torch.allclose(found, functional.linear(rows, factor, b), atol=1e-5):
                    return None
    except (AttributeError, RuntimeError, TypeError):
        return None
    return product


def _linear(rows: Any, weight: Any, bias: Any = None) -> Any:
    """`rows @ weight.T + bias` for float32 on the processor."""
    product = _onednn() if torch.backends.mkldnn.enabled else None
    if product is None or rows.numel() < _SMALL:
        return functional.linear(rows, weight, bias)
    return product(rows, weight, bias, "none", [], "")


# Numbers below which one call costs more than it gains.
_SMALL = 1 << 14


def _forward(
    ids: Any, table: Any, projection: Any, bias: Any, padding: int | None, dtype: Any
) -> Any:
    flat = _flat(ids, table.shape[0])
    distinct, slots = _distinct(flat, table.shape[0])
    shape = (*ids.shape, projection.shape[0])
    rows = table.index_select(0, distinct)
    native = dtype == torch.float32 and _is_native(table, projection, bias)
    if native:
        vectors = _linear(rows, projection, bias)
    else:
        bias = None if bias is None else bias.to(dtype)
        vectors = functional.linear(rows.to(dtype), projection.to(dtype), bias)
    if padding is not None:
        vectors.masked_fill_((distinct == padding)[:, None], 0)
    if native:
        copies = _subtok._copy_by_slot(
            vectors.numpy(), slots.numpy().view(np.uint32), torch.get_num_threads()
        )
        return torch.from_numpy(copies.reshape(shape))
    # autograd lets nobody write to a view that a Function gives out, and `view` would make one.
    return torch.ops.aten._unsafe_view(vectors.index_select(0, slots), shape)


def _sums(gradient: Any, slots: Any, count: int) -> Any:
    """The rows of the gradient, added up by id, in float32 at least."""
    if gradient.dtype in {torch.bfloat16, torch.float16}:
        gradient = gradient.float()
    if not _is_native(gradient):
        sums = gradient.new_zeros(count, gradient.shape[1])
        return sums.index_add_(0, slots, gradient)
    sums = _subtok._sum_by_slot(
        _view(gradient), slots.numpy().view(np.uint32), count, torch.get_num_threads()
    )
    return torch.from_numpy(sums)


def _backward(
    gradient: Any,
    ids: Any,
    table: Any,
    projection: Any,
    padding: int | None,
    needs: tuple[bool, bool, bool],
) -> tuple[Any, Any, Any, Any]:
    """The distinct ids, and the gradients of their rows of A, of P transposed and the bias."""
    flat = _flat(ids, table.shape[0])
    distinct, slots = _distinct(flat, table.shape[0])
    dtype = gradient.dtype
    sums = _sums(gradient.reshape(len(flat), projection.shape[0]), slots, len(distinct))
    if padding is not None:
        sums.masked_fill_((distinct == padding)[:, None], 0)
    rows = weight = bias = None
    native = dtype == torch.float32 and _is_native(table, projection)
    narrow = sums if native else sums.to(dtype)
    if needs[0]:
        if native:
            rows = _linear(narrow, projection.t())
        else:
            rows = narrow.matmul(projection.to(dtype)).to(table.dtype)
    if needs[1]:
        inner = table.index_select(0, distinct)
        if native:
            # The long matrix is read as it is, and only the other one turned.
            weight = _linear(inner.t().contiguous(), narrow.t()).t().contiguous()
        else:
            weight = narrow.t().matmul(inner.to(dtype)).to(projection.dtype)
    if needs[2]:
        bias = sums.sum(0).to(projection.dtype)
    return distinct, rows, weight, bias


def _traced_backward(
    gradient: Any,
    ids: Any,
    table: Any,
    projection: Any,
    padding: int | None,
    needs: tuple[bool, bool, bool],
) -> tuple[Any, Any, Any]:
    """The same by operations that have derivatives themselves."""
    flat = ids.reshape(-1).long()
    # Not by the compiled half: under `torch.func.grad` these ids have no storage to read.
    distinct, slots = torch.unique(flat, return_inverse=True)
    gradient = gradient.reshape(len(flat), projection.shape[0]).to(table.dtype)
    sums = gradient.new_zeros(len(distinct), gradient.shape[1]).index_add(0, slots, gradient)
    if padding is not None:
        sums = sums.masked_fill((distinct == padding)[:, None], 0)
    rows = weight = bias = None
    if needs[0]:
        zeros = table.new_zeros(table.shape)
        rows = zeros.index_add(0, distinct, sums.matmul(projection))
    if needs[1]:
        weight = sums.t().matmul(table.index_select(0, distinct))
    if needs[2]:
        bias = sums.sum(0)
    return rows, weight, bias


def _whole(table: Any, distinct: Any, rows: Any) -> Any:
    """The dense gradient of A."""
    if _is_native(table, rows):
        whole = _subtok._scatter_rows(_view(rows), distinct.numpy(), len(table))
        return torch.from_numpy(whole)
    return table.new_zeros(table.shape).index_copy_(0, distinct, rows)


class _Lookup(torch.autograd.Function):
    """Both passes, as autograd has them."""

    @staticmethod
    def forward(
        ids: Any,
        table: Any,
        projection: Any,
        bias: Any,
        padding: int | None,
        dtype: Any,
        sparse: bool,  # noqa: ARG004 (for the other pass)
    ) -> Any:
        if not torch.is_autocast_enabled(table.device.type):
            return _forward(ids, table, projection, bias, padding, dtype)
        with torch.autocast(table.device.type, enabled=False):
            return _forward(ids, table, projection, bias, padding, dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG004
        ids, table, projection, _, ctx.padding, _, ctx.sparse = inputs
        ctx.save_for_backward(ids, table, projection)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Any, ...]:
        (gradient,) = gradients
        if gradient is None:
            return (None,) * 7
        ids, table, projection = ctx.saved_tensors
        needs = tuple(ctx.needs_input_grad[1:4])
        if torch.is_grad_enabled():
            # A gradient of the gradient is wanted.
            if ctx.sparse:
                raise ArgumentError("sparse gradients have no gradients: make it with sparse=False")
            found = _traced_backward(gradient, ids, table, projection, ctx.padding, needs)
            return (None, *found, None, None, None)
        distinct, rows, weight, bias = _backward(
            gradient, ids, table, projection, ctx.padding, needs
        )
        if rows is not None and ctx.sparse:
            rows = torch.sparse_coo_tensor(
                distinct[None], rows, table.shape, is_coalesced=True, check_invariants=False
            )
        elif rows is not None:
            rows = _whole(table, distinct, rows)
        return None, rows, weight, bias, None, None, None


@torch.compiler.disable
def _sparse_lookup(
    ids: Any, table: Any, projection: Any, bias: Any, padding: int | None, dtype: Any
) -> Any:
    """The road of sparse gradients, which the compiler does not know."""
    return _Lookup.apply(ids, table, projection, bias, padding, dtype, True)


# ---------------------------------------------------------------- for the compiler
# The same two passes as operations whose inside is not looked at: which ids are distinct, and how
# many, is known only when there are numbers.
@torch.library.custom_op("subtok::factorized_lookup", mutates_args=())
def _lookup(
    ids: torch.Tensor,
    table: torch.Tensor,
    projection: torch.Tensor,
    bias: torch.Tensor | None,
    padding: int,
    dtype: torch.dtype,
) -> torch.Tensor:
    given = None if padding < 0 else padding
    with torch.autocast(table.device.type, enabled=False):
        return _forward(ids, table, projection, bias, given, dtype)


@_lookup.register_fake
def _(ids: Any, table: Any, projection: Any, bias: Any, padding: int, dtype: Any) -> Any:  # noqa: ARG001
    return table.new_empty((*ids.shape, projection.shape[0]), dtype=dtype)


@torch.library.custom_op("subtok::factorized_lookup_backward", mutates_args=())
def _lookup_backward(
    gradient: torch.Tensor,
    ids: torch.Tensor,
    table: torch.Tensor,
    projection: torch.Tensor,
    padding: int,
    needs: list[bool],
) -> list[torch.Tensor]:
    given = None if padding < 0 else padding
    with torch.autocast(table.device.type, enabled=False):
        a, b, c = needs
        distinct, rows, weight, bias = _backward(gradient, ids, table, projection, given, (a, b, c))
        nothing = table.new_empty(0)
        return [
            table.new_empty(0) if rows is None else _whole(table, distinct, rows),
            table.new_empty(0) if weight is None else weight,
            nothing if bias is None else bias,
        ]


@_lookup_backward.register_fake
def _(
    gradient: Any,  # noqa: ARG001
    ids: Any,  # noqa: ARG001
    table: Any,
    projection: Any,
    padding: int,  # noqa: ARG001
    needs: list[bool],
) -> list[Any]:
    shapes = (table.shape, projection.shape, projection.shape[:1])
    return [
        table.new_empty(shape if need else 0) for shape, need in zip(shapes, needs, strict=True)
    ]


def _save_for_backward(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG001
    ids, table, projection, _, ctx.padding, _ = inputs
    ctx.save_for_backward(ids, table, projection)


def _pass_back(ctx: Any, gradient: Any) -> tuple[Any, ...]:
    ids, table, projection = ctx.saved_tensors
    needs = [bool(need) for need in ctx.needs_input_grad[1:4]]
    found = _lookup_backward(gradient.contiguous(), ids, table, projection, ctx.padding, needs)
    known = (part if need else None for part, need in zip(found, needs, strict=True))
    return (None, *known, None, None)


_lookup.register_autograd(_pass_back, setup_context=_save_for_backward)
