"""The trainable table, held against `nn.Embedding` and `nn.Linear`: `make integrations`."""

from __future__ import annotations

import copy
import importlib
import io
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

import subtok

torch = pytest.importorskip("torch")
nn = torch.nn
FactorizedEmbedding = importlib.import_module("subtok.torch").FactorizedEmbedding
TiedHead = importlib.import_module("subtok.torch").TiedHead

V, E, H = 90, 12, 20
RNG = np.random.default_rng(5)
CASES = {
    "a batch": RNG.integers(0, V, (6, 50)),
    "one id many times": np.full((4, 300), 17),
    "one id": np.array(5),
    "no ids": np.zeros((0, 4), np.int64),
    "every id": np.arange(V)[None],
    "of 32 bits": RNG.integers(0, V, 40).astype(np.int32),
    "of 8 bits": RNG.integers(0, V, 40).astype(np.uint8),
    "with gaps": RNG.integers(0, V, (9, 8))[:, ::2],
}


def module_and_peer(**options):
    torch.manual_seed(1)
    bias = options.get("bias", False)
    made = FactorizedEmbedding(V, E, H, **options)
    like = {name: options[name] for name in ("device", "dtype") if name in options}
    peer = nn.Sequential(nn.Embedding(V, E, **like), nn.Linear(E, H, bias=bias, **like))
    with torch.no_grad():
        made.word_embeddings.weight.copy_(peer[0].weight)
        made.embedding_hidden_mapping_in.load_state_dict(peer[1].state_dict())
    return made, peer


def gradients(module):
    return [part.grad for part in module.parameters()]


def dense(part):
    return part.to_dense() if part.is_sparse else part


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_passes_equal_the_plain_modules(name, bias, sparse, dtype):
    made, peer = module_and_peer(bias=bias, sparse=sparse, dtype=dtype)
    ids = torch.from_numpy(CASES[name])
    got, want = made(ids), peer(ids.long())
    assert got.shape == want.shape
    assert got.dtype == dtype
    torch.testing.assert_close(got, want)
    back = torch.randn_like(want)
    got.backward(back)
    want.backward(back)
    for one, other in zip(gradients(made), gradients(peer), strict=True):
        torch.testing.assert_close(dense(one), other, atol=1e-4, rtol=1e-4)
    assert made.word_embeddings.weight.grad.is_sparse == sparse


def test_large_batches_on_several_threads_give_the_same_bits():
    torch.manual_seed(0)
    made = FactorizedEmbedding(5000, 64, 768, bias=True)
    peer = nn.Sequential(made.word_embeddings, made.embedding_hidden_mapping_in)
    ids = (torch.rand(24, 512) ** 4 * 5000).long()
    back = torch.randn(24, 512, 768)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            made.zero_grad()
            made(ids).backward(back)
            found.append(made.word_embeddings.weight.grad.clone())
    finally:
        torch.set_num_threads(before)
    made.zero_grad()
    want = peer(ids)
    torch.testing.assert_close(made(ids), want, atol=1e-5, rtol=1e-4)
    want.backward(back)
    for got in found:
        torch.testing.assert_close(got, made.word_embeddings.weight.grad, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("padding", [None, 3])
@pytest.mark.parametrize("bias", [False, True])
def test_derivatives_of_both_orders(padding, bias):
    made = FactorizedEmbedding(7, 3, 4, padding_id=padding, bias=bias, dtype=torch.float64)
    ids = torch.tensor([[1, 3, 1], [6, 0, 3]])
    names = [name for name, _ in made.named_parameters()]

    def call(*parts):
        return torch.func.functional_call(made, dict(zip(names, parts, strict=True)), (ids,))

    parts = [part.detach().clone().requires_grad_() for part in made.parameters()]
    if padding is not None:
        # A derivative would move the padding row, too, whose vector is zero whatever it holds.
        assert not call(*parts)[0, 1].any()
    assert torch.autograd.gradcheck(call, parts)
    assert torch.autograd.gradgradcheck(call, parts)


def test_a_gradient_of_the_gradient_of_a_sparse_table_is_refused():
    made = FactorizedEmbedding(7, 3, 4, sparse=True)
    out = made(torch.tensor([1, 2])).square().sum()
    weight = made.word_embeddings.weight
    with pytest.raises(subtok.ArgumentError, match="sparse=False"):
        torch.autograd.grad(out, weight, create_graph=True)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_the_padding_vector_is_zero_and_stays_so(sparse, bias):
    made = FactorizedEmbedding(V, E, H, padding_id=7, sparse=sparse, bias=bias)
    if bias:
        nn.init.normal_(made.embedding_hidden_mapping_in.bias)
    ids = torch.tensor([[7, 8, 7], [9, 7, 8]])
    optimiser = torch.optim.SGD(made.parameters(), 0.1)
    for _ in range(3):
        optimiser.zero_grad()
        out = made(ids)
        assert not out[0, 0].any()
        assert out[0, 1].any()
        (out - 1).square().sum().backward()
        grad = dense(made.word_embeddings.weight.grad)
        assert not grad[7].any()
        assert grad[8].any()
        optimiser.step()
    assert not made.word_embeddings.weight[7].any()
    if bias:
        # The bias learns from the four other places alone.
        made.zero_grad()
        made(ids).sum().backward()
        assert made.embedding_hidden_mapping_in.bias.grad.tolist() == [3.0] * H


def test_sparse_adam_moves_the_rows_of_the_batch_alone():
    made = FactorizedEmbedding(V, E, H, sparse=True)
    before = made.word_embeddings.weight.detach().clone()
    optimiser = torch.optim.SparseAdam([made.word_embeddings.weight])
    made(torch.tensor([4, 4, 9])).sum().backward()
    grad = made.word_embeddings.weight.grad
    assert grad._indices().tolist() == [[4, 9]]
    optimiser.step()
    moved = (made.word_embeddings.weight != before).any(1).nonzero().ravel()
    assert moved.tolist() == [4, 9]


def test_frozen_parts_get_no_gradient():
    made = FactorizedEmbedding(V, E, H, bias=True)
    for frozen in made.parameters():
        made.zero_grad()
        for part in made.parameters():
            part.requires_grad_(part is not frozen)
        made(torch.tensor([1, 2, 1])).sum().backward()
        assert [part.grad is None for part in made.parameters()] == [
            part is frozen for part in made.parameters()
        ]
    with torch.inference_mode():
        assert made(torch.tensor([1])).shape == (1, H)


@pytest.mark.parametrize("value", [V, -1, 2**40])
def test_an_id_without_a_row_is_named_with_its_place(value):
    made = FactorizedEmbedding(V, E, H)
    with pytest.raises(IndexError, match=f"id {value} at position 4 .* {V} ids"):
        made(torch.tensor([[1, 2, 3], [4, value, V]]))
    with pytest.raises(TypeError, match="float32"):
        made(torch.tensor([1.0]))
    with pytest.raises(TypeError, match="bool"):
        made(torch.tensor([True]))


def test_sizes_out_of_bounds_are_refused():
    with pytest.raises(ValueError, match="embedding_dim is 0"):
        FactorizedEmbedding(3, 0, 4)
    with pytest.raises(ValueError, match="padding_id is 3, but must be less than vocab_size"):
        FactorizedEmbedding(3, 2, 4, padding_id=3)


def test_vectors_of_a_new_table_have_the_deviation_of_bert():
    torch.manual_seed(0)
    made = FactorizedEmbedding(2000, 64, 256, bias=True)
    assert abs(made(torch.arange(2000)).std().item() - 0.02) < 0.001


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_other_types_and_autocast_are_as_close_as_the_plain_modules(dtype):
    made, peer = module_and_peer(bias=True)
    ids = torch.from_numpy(CASES["a batch"])
    exact = peer(ids)
    back = torch.randn_like(exact)
    exact.backward(back)
    wanted = [part.clone() for part in gradients(peer)]
    with torch.autocast("cpu", dtype):
        got, plain = made(ids), peer(ids)
    assert got.dtype == plain.dtype == dtype
    torch.testing.assert_close(got, plain)
    got.backward(back.to(dtype))
    for one, want in zip(gradients(made), wanted, strict=True):
        assert one.dtype == torch.float32
        assert ((one - want).norm() / want.norm()).item() < 0.02
    made, peer = made.to(dtype), peer.to(dtype)
    made.zero_grad()
    out = made(ids)
    torch.testing.assert_close(out, peer(ids))
    out.backward(back.to(dtype))
    assert {part.dtype for part in gradients(made)} == {dtype}


@pytest.mark.parametrize("bias", [False, True])
def test_the_compiler_takes_it_without_a_break(bias):
    made, peer = module_and_peer(bias=bias)
    # "aot_eager" traces both passes as inductor does, and needs no C++ compiler.
    compiled = torch.compile(made, fullgraph=True, backend="aot_eager")
    for shape in ((3, 8), (5, 9), (2, 4)):
        ids = torch.randint(0, V, shape)
        made.zero_grad()
        peer.zero_grad()
        got, want = compiled(ids), peer(ids)
        torch.testing.assert_close(got, want)
        got.square().sum().backward()
        want.square().sum().backward()
        for one, other in zip(gradients(made), gradients(peer), strict=True):
            torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        assert compiled(ids).dtype == torch.bfloat16
    with pytest.raises(IndexError, match="position 1"):
        compiled(torch.tensor([[1, V]]))


# The checker looks at gradients of its own copies.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")
def test_the_operations_keep_the_rules_of_torch():
    made = FactorizedEmbedding(V, E, H, bias=True, padding_id=2)
    parts = [part for _, part in made.named_parameters()]
    ids = torch.from_numpy(CASES["a batch"])
    found = torch.library.opcheck(subtok.torch._lookup, (ids, *parts, 2, torch.float32))
    assert set(found.values()) == {"SUCCESS"}


def test_the_compiler_and_sparse_gradients():
    made = FactorizedEmbedding(V, E, H, sparse=True)
    compiled = torch.compile(made, backend="aot_eager")
    compiled(torch.tensor([1, 2, 1])).sum().backward()
    assert made.word_embeddings.weight.grad.is_sparse


def test_changed_modules_are_called():
    made = FactorizedEmbedding(V, E, H, bias=True, padding_id=0)
    ids = torch.from_numpy(CASES["a batch"])
    plain = made(ids)
    calls = []
    hook = made.embedding_hidden_mapping_in.register_forward_hook(
        lambda _module, given, _out: calls.append(len(given[0]))
    )
    torch.testing.assert_close(made(ids), plain)
    assert calls == [len(np.unique(ids))]
    hook.remove()

    class Twice(nn.Linear):
        def forward(self, rows):
            return 2 * super().forward(rows)

    twice = Twice(E, H)
    twice.load_state_dict(made.embedding_hidden_mapping_in.state_dict())
    made.embedding_hidden_mapping_in = twice
    torch.testing.assert_close(made(ids), 2 * plain)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("padding", [None, 4])
def test_tables_go_there_and_back(bias, padding, tmp_path):
    made = FactorizedEmbedding(V, E, H, bias=bias, padding_id=padding)
    if bias:
        nn.init.normal_(made.embedding_hidden_mapping_in.bias)
    ids = torch.arange(V)
    table = made.to_numpy()
    want = made(ids).detach().numpy()
    assert table.padding_id == padding
    assert np.allclose(table(ids.numpy()), want, atol=1e-6)
    again = FactorizedEmbedding.from_numpy(table)
    assert again.state_dict().keys() == made.state_dict().keys()
    assert all(torch.equal(x, again.state_dict()[name]) for name, x in made.state_dict().items())
    plain = table.to_torch()
    assert {type(part).__module__.split(".")[0] for part in plain.modules()} == {"torch"}
    assert np.allclose(plain(ids).detach().numpy(), want, atol=1e-6)
    if not (bias and padding is not None):
        assert plain.state_dict().keys() == made.state_dict().keys()
        made.load_state_dict(plain.state_dict())
    table.save(tmp_path / "table.safetensors")
    loaded = subtok.FactorizedEmbedding.load(tmp_path / "table.safetensors").to_torch()
    assert np.allclose(loaded(ids).detach().numpy(), want, atol=1e-6)


def test_quantised_and_whole_tables_become_modules():
    table = subtok.FactorizedEmbedding(V, E, H, seed=3)
    small = table.quantize("int8")
    ids = np.arange(V)
    assert np.allclose(small.to_torch()(torch.from_numpy(ids)).detach(), small(ids), atol=1e-6)
    whole = subtok.FactorizedEmbedding.from_table(RNG.normal(size=(V, H)).astype(np.float32))
    assert np.allclose(whole.to_torch()(torch.from_numpy(ids)).detach(), whole(ids), atol=1e-6)


def test_the_plain_modules_need_no_subtok(tmp_path):
    plain = subtok.FactorizedEmbedding(V, E, H, bias=True).to_torch()
    torch.save(plain, tmp_path / "plain.pt")
    code = (
        "import sys, torch\n"
        "plain = torch.load(sys.argv[1], weights_only=False)\n"
        "assert plain(torch.tensor([[1, 2]])).shape == (1, 2, 20)\n"
        "assert not any(name.startswith('subtok') for name in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "plain.pt"], check=False)
    assert done.returncode == 0


def test_copies_pickles_and_states():
    made = FactorizedEmbedding(V, E, H, bias=True, padding_id=1, sparse=True)
    ids = torch.from_numpy(CASES["a batch"])
    buffer = io.BytesIO()
    torch.save(made.state_dict(), buffer)
    buffer.seek(0)
    other = FactorizedEmbedding(V, E, H, bias=True, padding_id=1)
    other.load_state_dict(torch.load(buffer))
    for copied in (copy.deepcopy(made), pickle.loads(pickle.dumps(made)), other):
        assert torch.equal(copied(ids), made(ids))
    assert "padding_id=1" in repr(made)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("padding", [None, 4])
def test_the_tied_head_equals_the_whole_table(bias, padding, monkeypatch):
    # Several blocks, the last of them short.
    monkeypatch.setattr(subtok.torch, "_BLOCK", 16)
    made = FactorizedEmbedding(V, E, H, bias=bias, padding_id=padding, dtype=torch.float64)
    if bias:
        nn.init.normal_(made.embedding_hidden_mapping_in.bias)
    head = TiedHead(made)
    assert [name for name, _ in head.named_parameters()] == ["bias"]
    nn.init.normal_(head.bias)
    hidden = torch.randn(3, 5, H, dtype=torch.float64, requires_grad=True)
    rows = made(torch.arange(V))
    want = hidden @ rows.T + head.bias
    got = head(hidden)
    torch.testing.assert_close(got, want)
    for k in (1, 7, 40, V):
        values, ids = head.topk(hidden, k)
        best = want.topk(k, -1)
        torch.testing.assert_close(values, best.values)
        torch.testing.assert_close(want.gather(-1, ids), values)
    back = torch.randn_like(want)
    parts = [hidden, *made.parameters(), head.bias]
    for one, other in zip(
        torch.autograd.grad(got, parts, back), torch.autograd.grad(want, parts, back), strict=True
    ):
        torch.testing.assert_close(one, other)
    for k in (0, V + 1):
        with pytest.raises(ValueError, match=f"k is {k}, but must be from 1 to {V}"):
            head.topk(hidden, k)


def test_training_with_a_tied_head_learns():
    torch.manual_seed(0)
    table = FactorizedEmbedding(50, 8, 16)
    model = nn.ModuleDict({"table": table, "mix": nn.Linear(16, 16), "head": TiedHead(table)})
    optimiser = torch.optim.AdamW(model.parameters(), 0.02)
    ids = torch.randint(0, 50, (16, 8))
    losses = []
    for _ in range(60):
        optimiser.zero_grad()
        logits = model["head"](model["mix"](table(ids)))
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), (ids.flatten() + 1) % 50)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_threads_share_a_module():
    made = FactorizedEmbedding(V, E, H)
    batches = [torch.from_numpy(RNG.integers(0, V, (8, 64))) for _ in range(8)]
    want = [made(ids).detach() for ids in batches]
    wrong = []

    def work(number):
        with torch.no_grad():
            for step in range(50):
                at = (number + step) % len(batches)
                if not torch.equal(made(batches[at]), want[at]):
                    wrong.append(at)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_computes_the_same():
    made = FactorizedEmbedding(3000, 32, 64)
    ids = torch.from_numpy(RNG.integers(0, 3000, (32, 64)))
    rows = subtok._subtok._distinct_ids(ids.reshape(-1).numpy(), 3000)
    want = made(ids).detach()
    assert want.shape == (32, 64, 64)
    process = os.fork()
    if process == 0:
        code = 1
        try:
            again = subtok._subtok._distinct_ids(ids.reshape(-1).numpy(), 3000)
            copies = subtok._subtok._copy_by_slot(np.ones((3000, 64), np.float32), again[1], 2)
            same = all(np.array_equal(a, b) for a, b in zip(rows, again, strict=True))
            code = 0 if same and copies.shape == (2048, 64) else 1
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


def test_many_steps_leave_no_memory_behind():
    resource = pytest.importorskip("resource")
    made = FactorizedEmbedding(V, E, H, bias=True)
    ids = torch.from_numpy(CASES["a batch"])

    def steps(count):
        for _ in range(count):
            made.zero_grad()
            made(ids).sum().backward()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = steps(2000)
    # The result of one step has 24 kB: kept ones would be 80 MB.
    assert steps(4000) - before < 20_000


def test_large_results_are_not_written_over_while_somebody_has_them():
    made = FactorizedEmbedding(500, 8, 512)
    ids = [torch.from_numpy(RNG.integers(0, 500, (8, 256))) for _ in range(3)]
    held = [made(part).detach() for part in ids]
    kept = [part.clone() for part in held]
    view = made(ids[0]).detach()[1:3, 5]
    seen = view.clone()
    for _ in range(10):
        for part in ids:
            made(part).sum().backward()
    assert all(torch.equal(a, b) for a, b in zip(held, kept, strict=True))
    assert torch.equal(view, seen)
    # What is handed out may be written to.
    held[0].zero_()


def test_meta_tensors_have_shapes():
    made = FactorizedEmbedding(V, E, H, device="meta")
    ids = torch.empty(3, 4, dtype=torch.int64, device="meta")
    assert made(ids).shape == (3, 4, H)


@pytest.mark.parametrize("options", [{}, {"sparse": True}, {"dtype": torch.float64}])
@pytest.mark.parametrize("shape", [(3, 4), (5,), (), (0, 2)])
def test_the_result_may_be_written_to(options, shape):
    made, peer = module_and_peer(bias=True, **options)
    ids = torch.randint(0, V, shape)
    found = []
    for module in (made, peer):
        out = module(ids)
        out += 1
        out = nn.functional.dropout(out, 0.0, inplace=True)
        out.mul_(2)
        out.sum().backward()
        found.append(out)
    torch.testing.assert_close(*found)
    for one, other in zip(gradients(made), gradients(peer), strict=True):
        torch.testing.assert_close(dense(one), other, atol=1e-5, rtol=1e-4)


def test_the_result_of_autocast_and_of_a_parameter_of_ids_may_be_written_to():
    made = FactorizedEmbedding(V, E, H)
    ids = torch.tensor([[1, 2]])
    with torch.autocast("cpu", torch.bfloat16):
        out = made(ids)
    out += 1
    other = made(nn.Parameter(ids, requires_grad=False))
    other += 1
    (out.sum() + other.sum()).backward()
    assert made.word_embeddings.weight.grad[1].any()


@pytest.mark.parametrize("name", ["word_embeddings", "embedding_hidden_mapping_in"])
@pytest.mark.parametrize("kind", ["full_backward_hook", "full_backward_pre_hook"])
# torch says so where no input has a gradient, as ids never have.
@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
def test_hooks_of_the_other_pass_are_called(name, kind):
    made = FactorizedEmbedding(V, E, H)
    calls = []
    register = getattr(getattr(made, name), f"register_{kind}")
    hook = register(lambda *_given: calls.append(1))
    made(torch.tensor([1, 2, 1])).sum().backward()
    assert calls == [1]
    hook.remove()
    made(torch.tensor([1, 2, 1])).sum().backward()
    assert calls == [1]


def test_rows_of_a_bounded_length_are_bounded():
    made, peer = module_and_peer()
    made.word_embeddings.max_norm = peer[0].max_norm = 0.5
    ids = torch.tensor([[1, 2, 1]])
    torch.testing.assert_close(made(ids), peer(ids))
    assert made.word_embeddings.weight[1].norm() <= 0.5001


def test_wrong_kinds_of_ids_and_sizes_are_named():
    made = FactorizedEmbedding(V, E, H)
    for given in (np.array([1]), [1, 2], 3, None):
        with pytest.raises(subtok.ArgumentTypeError, match=f"not {type(given).__name__}"):
            made(given)
    ids = torch.from_numpy(np.array([1, 2, 2**63 + 5, V], np.uint64))
    with pytest.raises(subtok.UnknownIdError, match=f"id {2**63 + 5} at position 2 .* {V} ids"):
        made(ids)
    with pytest.raises(subtok.UnknownIdError, match=f"id {V} at position 1 "):
        made(ids[[0, 3, 2]])
    assert torch.equal(made(ids[:2]), made(torch.tensor([1, 2])))
    for sizes in (("3", 2, 4), (3, 2.0, 4), (3, 2, None)):
        with pytest.raises(subtok.ArgumentTypeError, match="must be an integer, not "):
            FactorizedEmbedding(*sizes)
    with pytest.raises(subtok.ArgumentTypeError, match="padding_id must be an integer, not str"):
        FactorizedEmbedding(3, 2, 4, padding_id="1")
    assert FactorizedEmbedding(np.int64(3), 2, 4).vocab_size == 3


@pytest.mark.parametrize("padding", [None, 3])
def test_functional_gradients_equal_those_of_the_plain_modules(padding):
    made, peer = module_and_peer(bias=True, padding_id=padding, dtype=torch.float64)
    ids = torch.from_numpy(CASES["a batch"] % V)
    if padding is not None:
        ids[ids == padding] = 0

    def loss(module):
        return lambda parts: torch.func.functional_call(module, parts, (ids,)).square().sum()

    for order in (torch.func.grad, lambda f: torch.func.grad(lambda x: grads(f, x))):
        got = order(loss(made))(dict(made.named_parameters()))
        want = order(loss(peer))(dict(peer.named_parameters()))
        for one, other in zip(got.values(), want.values(), strict=True):
            torch.testing.assert_close(one, other)
    # What the class says to do where the module cannot.
    plain = made.float().to_numpy().to_torch()
    assert torch.func.vmap(plain)(ids).shape == (*ids.shape, H)


def grads(function, parts):
    """A number that depends on a gradient."""
    return sum(part.square().sum() for part in torch.func.grad(function)(parts).values())
